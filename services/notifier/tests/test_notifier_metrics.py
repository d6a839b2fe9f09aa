"""What the notifier tells operators, and that what is watched is told."""

import re
from datetime import UTC, datetime
from pathlib import Path

from clickwatch_notifier.metrics import NotifierMetrics

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
AT = datetime(2026, 3, 1, tzinfo=UTC)


def samples(metrics: NotifierMetrics) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def test_a_channel_fails_since_the_first_attempt_that_failed_until_one_succeeds() -> None:
    metrics = NotifierMetrics(["mail"])
    name = "clickwatch_notifier_failing_since_timestamp_seconds['mail']"

    metrics.failed("mail", 10.0)
    metrics.failed("mail", 20.0)
    while_failing = samples(metrics)
    metrics.sent("mail", [AT], AT.timestamp() + 0.2)
    afterwards = samples(metrics)

    assert while_failing[name] == 10.0
    assert name not in afterwards
    assert afterwards["clickwatch_notifier_messages_total['failed', 'mail']"] == 2
    assert afterwards["clickwatch_notifier_messages_total['mail', 'sent']"] == 1
    assert afterwards["clickwatch_notifier_change_to_sent_seconds_count['mail']"] == 1


def test_what_waits_is_told_for_channels_that_there_are() -> None:
    metrics = NotifierMetrics(["mail", "shop"])

    metrics.found({"mail": (3, AT), "gone": (9, AT)})

    told = samples(metrics)
    assert told["clickwatch_notifier_waiting_changes['mail']"] == 3
    assert told["clickwatch_notifier_waiting_changes['shop']"] == 0
    assert told["clickwatch_notifier_oldest_waiting_timestamp_seconds['mail']"] == AT.timestamp()


def test_whatever_is_watched_of_the_notifier_is_told() -> None:
    metrics = NotifierMetrics(["mail"])
    metrics.found({"mail": (1, AT)})
    metrics.failed("mail", 1.0)
    told = {sample.name for family in metrics.collect() for sample in family.samples}

    named = set(re.findall(r"clickwatch_notifier_[a-z_]+", (MONITORING / "alerts.yaml").read_text("utf-8")))

    assert named
    assert named <= told

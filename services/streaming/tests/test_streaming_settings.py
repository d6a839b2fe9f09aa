"""What the environment may say, and what it is told where it may not."""

from datetime import timedelta

import pytest
from clickwatch_service import UserError, load_settings
from clickwatch_streaming.session import master
from clickwatch_streaming.settings import Settings, Trigger


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)


def test_nothing_has_to_be_set() -> None:
    settings = Settings()

    assert (settings.window_duration, settings.slide_duration) == (timedelta(minutes=10), timedelta(minutes=5))
    assert (settings.views_threshold, settings.purchases_threshold) == (100, 5)
    assert settings.trigger is Trigger.AUTO
    assert settings.dead_letter_topic == "clickstream-events-dlq"


def test_the_dead_letter_topic_follows_the_topic_unless_named() -> None:
    assert Settings(kafka_topic="shop").dead_letter_topic == "shop-dlq"
    assert Settings(kafka_topic="shop", dlq_topic="bad").dead_letter_topic == "bad"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WINDOW_DURATION", "soon", "WINDOW_DURATION='soon': must be a duration"),
        ("WATERMARK", "0", "WATERMARK='0': must be longer than 0 seconds"),
        ("SLIDE_DURATION", "20 minutes", "SLIDE_DURATION='20 minutes': must be at most WINDOW_DURATION, 600 seconds"),
        ("CHECKPOINT_INTERVAL", "1 s", "CHECKPOINT_INTERVAL='1 s': must be at least 5 seconds"),
        ("SPARK_DRIVER_MEMORY", "much", "SPARK_DRIVER_MEMORY='much': must be a number and m or g"),
        ("TRIGGER", "fast", "TRIGGER='fast': must be 'auto', 'realtime' or 'microbatch'"),
        ("VIEWS_THRESHOLD", "-1", "VIEWS_THRESHOLD='-1': must be greater than or equal to 0"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(UserError) as raised:
        load_settings(Settings)

    assert str(raised.value).startswith(says)


def test_every_task_of_the_alert_query_has_a_slot_and_so_has_every_one_of_the_lake() -> None:
    widened = master(Settings(shuffle_partitions=2), topic_partitions=12)

    assert int(widened.removeprefix("local[").removesuffix("]")) >= 12 + 2 * 2 + 12


def test_too_few_slots_are_refused() -> None:
    assert master(Settings(spark_master="local[8]"), topic_partitions=2) == "local[8]"
    with pytest.raises(UserError, match="at least 8 slots"):
        master(Settings(spark_master="local[7]"), topic_partitions=2)

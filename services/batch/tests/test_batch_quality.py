"""Quality gates: what keeps a day back, what only warns, and what there is to compare a day's volume with."""

from decimal import Decimal

import pytest
from clickwatch_batch.quality import Limit, Limits, Verdict, failed, judged

LIMITS = Limits(malformed=Limit(0.01, 0.05), duplicates=Limit(0.1, 0.5), volume=Limit(0.5, 0.9))
WEEK = [1000] * 7


def verdicts(
    lines: int = 1000,
    malformed: int = 0,
    events: int = 1000,
    duplicates: int = 0,
    history: list[int] = WEEK,
    limits: Limits = LIMITS,
) -> dict[str, Verdict]:
    return {gate.gate: gate.verdict for gate in judged(lines, malformed, events, duplicates, history, limits)}


def test_a_usual_day_passes_every_gate() -> None:
    assert set(verdicts().values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("malformed", "verdict"),
    [(10, Verdict.PASS), (11, Verdict.WARN), (50, Verdict.WARN), (51, Verdict.FAIL)],
)
def test_a_share_at_its_limit_is_within_it(malformed: int, verdict: Verdict) -> None:
    assert verdicts(malformed=malformed)["malformed"] is verdict


@pytest.mark.parametrize(
    ("events", "duplicates", "verdict"),
    [(900, 100, Verdict.PASS), (899, 101, Verdict.WARN), (499, 501, Verdict.FAIL)],
)
def test_duplicates_are_a_share_of_all_events_that_came(events: int, duplicates: int, verdict: Verdict) -> None:
    assert verdicts(events=events, duplicates=duplicates)["duplicates"] is verdict


@pytest.mark.parametrize(
    ("events", "verdict"),
    [(500, Verdict.PASS), (499, Verdict.WARN), (99, Verdict.FAIL), (1501, Verdict.WARN), (1901, Verdict.FAIL)],
)
def test_a_day_is_held_against_the_mean_of_the_days_before_in_both_directions(events: int, verdict: Verdict) -> None:
    assert verdicts(events=events)["volume"] is verdict


@pytest.mark.parametrize("history", [[], [1000, 1000], [0, 0, 0]])
def test_too_short_a_history_lets_any_volume_pass_and_says_so(history: list[int]) -> None:
    (_, _, volume) = judged(10, 0, 10, 0, history, LIMITS)

    assert volume.verdict is Verdict.PASS
    assert "no usual volume" in volume.note


def test_a_gate_without_limits_lets_everything_pass() -> None:
    off = Limits(Limit(None, None), Limit(None, None), Limit(None, None))

    assert set(verdicts(malformed=999, duplicates=9999, events=1, limits=off).values()) == {Verdict.PASS}


def test_measured_shares_are_exact_to_six_places_and_failures_are_named() -> None:
    gates = judged(3, 1, 2, 1, [], LIMITS)

    assert [gate.measured for gate in gates] == [Decimal("0.333333"), Decimal("0.333333"), Decimal("0.000000")]
    assert [gate.gate for gate in failed(gates)] == ["malformed"]

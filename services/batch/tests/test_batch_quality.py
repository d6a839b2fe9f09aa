"""Quality gates: what keeps a day back, what only warns, and what there is to compare a day's volume with."""

import pytest
from clickwatch_batch.analyses.quality import Limit, Limits, Measured, Verdict, failed, judged

LIMITS = Limits(
    malformed=Limit(0.01, 0.05), duplicates=Limit(0.1, 0.5), other_day=Limit(0.01, 0.2), volume=Limit(0.5, 0.9)
)
WEEK = [1000] * 7


def verdicts(
    lines: int = 1000,
    malformed: int = 0,
    events: int = 1000,
    duplicates: int = 0,
    other_day: int = 0,
    history: list[int] = WEEK,
    limits: Limits = LIMITS,
) -> dict[str, Verdict]:
    day = Measured(lines, malformed, events, duplicates, other_day)
    return {gate.gate: gate.verdict for gate in judged(day, history, limits)}


def test_a_usual_day_passes_every_gate() -> None:
    assert set(verdicts().values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("malformed", "verdict"),
    [(10, Verdict.PASS), (11, Verdict.WARN), (50, Verdict.WARN), (51, Verdict.FAIL)],
)
def test_a_share_at_its_limit_is_within_it(malformed: int, verdict: Verdict) -> None:
    assert verdicts(malformed=malformed)["malformed"] is verdict


@pytest.mark.parametrize(("other_day", "verdict"), [(10, Verdict.PASS), (200, Verdict.WARN), (201, Verdict.FAIL)])
def test_lines_of_other_days_are_a_share_of_all_lines(other_day: int, verdict: Verdict) -> None:
    assert verdicts(other_day=other_day)["other_day"] is verdict


def test_an_unfinished_day_is_held_against_no_usual_volume() -> None:
    *_, volume = judged(Measured(10, 0, 10, 0, 0, is_unfinished=True), WEEK, LIMITS)

    assert volume.verdict is Verdict.PASS
    assert volume.note == "10 events so far; the day is unfinished"


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
    *_, volume = judged(Measured(10, 0, 10, 0, 0), history, LIMITS)

    assert volume.verdict is Verdict.PASS
    assert "no usual volume" in volume.note


def test_a_gate_without_limits_lets_everything_pass() -> None:
    off = Limits(*[Limit(None, None)] * 4)

    assert set(verdicts(malformed=999, duplicates=9999, other_day=999, events=1, limits=off).values()) == {Verdict.PASS}


def test_measured_shares_are_exact_to_six_places_and_failures_are_named() -> None:
    gates = judged(Measured(3, 1, 2, 1, 0), [], LIMITS)

    assert [str(gate.measured) for gate in gates] == ["0.333333", "0.333333", "0.000000", "0.000000"]
    assert [gate.gate for gate in failed(gates)] == ["malformed"]

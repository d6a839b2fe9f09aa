"""When a part of the service works, waits, or stands still."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from clickwatch_service.standing import Glimpse, Standing, Standings
from hypothesis import given
from hypothesis import strategies as st

LIMIT = timedelta(seconds=100)


def _standing(looks: Sequence[tuple[float, Glimpse]]) -> Standing:
    standings = Standings(LIMIT)
    found = [standings.after({"lake": glimpse}, now)["lake"].standing for now, glimpse in looks]
    return found[-1]


def test_a_part_that_moves_works_however_much_waits() -> None:
    assert _standing([(now, Glimpse(now, unread=10**6)) for now in range(0, 10_000, 10)]) is Standing.WORKS


def test_a_part_without_work_works_however_long_it_does_not_move() -> None:
    assert _standing([(now, Glimpse("same", unread=0)) for now in range(0, 10_000, 10)]) is Standing.WORKS


def test_a_part_that_does_not_move_while_work_waits_stands_still_after_the_limit_and_not_before() -> None:
    assert _standing([(0, Glimpse("same", 1)), (99, Glimpse("same", 1))]) is Standing.WORKS
    assert _standing([(0, Glimpse("same", 1)), (101, Glimpse("same", 1))]) is Standing.STANDS_STILL


def test_the_time_without_work_does_not_count() -> None:
    looks = [(0, Glimpse("same", 0)), (5000, Glimpse("same", 0)), (5099, Glimpse("same", 1))]

    assert _standing(looks) is Standing.WORKS
    assert _standing([*looks, (5101, Glimpse("same", 1))]) is Standing.STANDS_STILL


def test_a_pause_by_design_and_a_backlog_have_their_time_and_no_more() -> None:
    big = Glimpse("same", unread=1_000_000, pause=timedelta(seconds=50))

    assert _standing([(0, big), (249, big)]) is Standing.WORKS
    assert _standing([(0, big), (251, big)]) is Standing.STANDS_STILL


def test_what_arrives_while_a_part_does_not_move_gives_it_no_more_time() -> None:
    looks = [(now, Glimpse("same", unread=1 + 20_000 * now)) for now in range(0, 120, 10)]

    assert _standing(looks) is Standing.STANDS_STILL


def test_an_outage_is_waited_out_and_the_limit_counts_from_its_end() -> None:
    outage = [(now, Glimpse("same", 7, away="Kafka")) for now in range(0, 10_000, 10)]

    assert _standing(outage) is Standing.WAITS
    assert _standing([*outage, (10_080, Glimpse("same", 7))]) is Standing.WORKS
    assert _standing([*outage, (10_100, Glimpse("same", 7))]) is Standing.STANDS_STILL


@pytest.mark.parametrize(
    ("glimpse", "why"),
    [
        (Glimpse("same", 3), "has not moved for 200 s while work waits for it"),
        (Glimpse("same", 3, away="PostgreSQL"), "waits for PostgreSQL, which does not answer"),
        (Glimpse("another", 3), ""),
    ],
)
def test_a_standing_is_said_in_one_line(glimpse: Glimpse, why: str) -> None:
    standings = Standings(LIMIT)
    standings.after({"lake": Glimpse("same", 3)}, 0)

    assert standings.after({"lake": glimpse}, 200)["lake"].why == why


@given(st.lists(st.tuples(st.floats(0.1, 60), st.integers(0, 3), st.booleans(), st.booleans()), min_size=1))
def test_whoever_stands_still_had_work_a_server_that_answered_and_no_move_for_the_whole_limit(
    steps: list[tuple[float, int, bool, bool]],
) -> None:
    standings, now, still_since, mark = Standings(LIMIT), 0.0, 0.0, 0
    for seconds, unread, moves, is_away in steps:
        now += seconds
        mark += moves
        found = standings.after({"lake": Glimpse(mark, unread, "Kafka" if is_away else None)}, now)["lake"]
        if moves or not unread or is_away or still_since == 0.0:
            still_since = now
        assert (found.standing is Standing.STANDS_STILL) <= (now - still_since >= LIMIT.total_seconds())

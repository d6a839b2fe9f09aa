"""The life of an alert, from the counts of its window."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from clickwatch_events import HotWindow
from clickwatch_streaming.alerts.alert import Alert, Status, Thresholds, alert_after
from clickwatch_streaming.alerts.projector import console_line, projected
from hypothesis import given
from hypothesis import strategies as st

THRESHOLDS = Thresholds(views=100, purchases=5)
NOW = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
LATER = NOW + timedelta(seconds=20)
START = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)
END = START + 600_000


def counts(views: int, purchases: int, closed: bool = False) -> HotWindow:
    return HotWindow("product_7", "laptops", START, END, views, purchases, closed)


def alert(views: int, purchases: int, status: Status) -> Alert:
    return Alert("product_7", "laptops", START, END, views, purchases, status, NOW, NOW)


@pytest.mark.parametrize(
    ("views", "purchases", "holds"),
    [(100, 0, False), (101, 0, True), (101, 4, True), (101, 5, False), (10_000, 5, False)],
)
def test_an_alert_has_more_than_100_views_and_fewer_than_5_purchases(views: int, purchases: int, holds: bool) -> None:
    made = alert_after(None, counts(views, purchases), THRESHOLDS, None, NOW)

    assert made == (alert(views, purchases, Status.ACTIVE) if holds else None)


def test_a_fifth_purchase_retracts_the_alert() -> None:
    made = alert_after(alert(120, 4, Status.ACTIVE), counts(125, 5), THRESHOLDS, None, LATER)

    assert made is not None
    assert (made.status, made.views, made.purchases) == (Status.RETRACTED, 125, 5)
    assert (made.detected_at, made.updated_at) == (NOW, LATER)


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.RETRACTED])
def test_counts_that_were_overtaken_change_nothing(status: Status) -> None:
    before = alert(120, 4 if status is Status.ACTIVE else 6, status)

    assert alert_after(before, counts(110, 2), THRESHOLDS, None, LATER) is None
    assert alert_after(before, counts(before.views, before.purchases), THRESHOLDS, None, LATER) is None


def test_more_views_never_bring_a_retracted_alert_back() -> None:
    made = alert_after(alert(120, 5, Status.RETRACTED), counts(400, 3), THRESHOLDS, None, LATER)

    assert made is not None
    assert (made.status, made.views, made.purchases) == (Status.RETRACTED, 400, 5)


@pytest.mark.parametrize(
    ("before", "views", "purchases", "status"),
    [
        (alert(120, 2, Status.ACTIVE), 130, 4, Status.CONFIRMED),
        (alert(120, 2, Status.ACTIVE), 130, 5, Status.RETRACTED),
        (alert(120, 5, Status.RETRACTED), 130, 4, Status.CONFIRMED),
        (None, 101, 0, Status.CONFIRMED),
        (None, 101, 5, None),
        (None, 7, 0, None),
    ],
)
def test_the_counts_of_a_closed_window_decide(
    before: Alert | None, views: int, purchases: int, status: Status | None
) -> None:
    made = alert_after(before, counts(views, purchases, closed=True), THRESHOLDS, None, LATER)

    assert (made.status if made else None) == status
    if made:
        assert (made.views, made.purchases) == (views, purchases)
        assert made.detected_at == (before.detected_at if before else LATER)


def test_final_counts_may_be_below_what_was_counted_so_far() -> None:
    made = alert_after(alert(120, 2, Status.ACTIVE), counts(118, 1, closed=True), THRESHOLDS, None, LATER)

    assert made is not None
    assert (made.status, made.views, made.purchases) == (Status.CONFIRMED, 118, 1)


def test_closing_a_window_again_changes_nothing() -> None:
    closed = counts(118, 1, closed=True)
    confirmed = alert_after(None, closed, THRESHOLDS, None, NOW)

    assert alert_after(confirmed, closed, THRESHOLDS, END, LATER) is None


def test_counts_so_far_of_a_window_known_to_be_closed_are_ignored() -> None:
    assert alert_after(None, counts(120, 0), THRESHOLDS, END, LATER) is None
    assert alert_after(alert(120, 0, Status.CONFIRMED), counts(500, 9), THRESHOLDS, END, LATER) is None
    assert alert_after(None, counts(120, 0), THRESHOLDS, END - 1, LATER) is not None


SO_FAR = st.lists(st.tuples(st.integers(95, 140), st.integers(0, 8)), min_size=1, max_size=12)


@given(
    so_far=SO_FAR,
    final=st.tuples(st.integers(0, 140), st.integers(0, 8)),
    data=st.data(),
)
def test_however_counts_so_far_are_repeated_and_reordered_the_end_is_the_same(
    so_far: list[tuple[int, int]], final: tuple[int, int], data: st.DataObject
) -> None:
    repeated = data.draw(st.permutations(so_far * 2))
    closing = counts(*final, closed=True)

    def end_of(records: list[tuple[int, int]], straggler: tuple[int, int]) -> list[tuple[Status, int, int]]:
        windows = [counts(*record) for record in records]
        outcome = projected([*windows, closing, counts(*straggler), closing], {}, THRESHOLDS, None, NOW)
        return [(row.status, row.views, row.purchases) for row in outcome.rows]

    assert end_of(repeated, repeated[0]) == end_of(so_far, so_far[-1])


@given(so_far=SO_FAR, data=st.data())
def test_counts_so_far_in_any_order_leave_the_same_alert(so_far: list[tuple[int, int]], data: st.DataObject) -> None:
    # At least one of them makes an alert, as the first of a window always did.
    shuffled = data.draw(st.permutations([(101, 0), *so_far]))

    def state_after(records: list[tuple[int, int]]) -> tuple[Status, int, int]:
        (row,) = projected([counts(*record) for record in records], {}, THRESHOLDS, None, NOW).rows
        return row.status, row.views, row.purchases

    begun_with = [(101, 0), *shuffled]
    assert state_after(begun_with) == state_after([(101, 0), *so_far])


@given(so_far=SO_FAR, cut=st.integers(0, 12))
def test_records_in_two_transactions_leave_what_they_leave_in_one(so_far: list[tuple[int, int]], cut: int) -> None:
    windows = [counts(*record) for record in so_far]

    at_once = projected(windows, {}, THRESHOLDS, None, NOW)
    first = projected(windows[:cut], {}, THRESHOLDS, None, NOW)
    alerts = {(row.product_id, row.window_start_ms): row for row in first.rows}
    second = projected(windows[cut:], alerts, THRESHOLDS, first.closed_until_ms, NOW)

    assert (second.rows or first.rows) == at_once.rows
    assert first.changes + second.changes == at_once.changes


def test_a_batch_tells_each_state_an_alert_passed_through() -> None:
    outcome = projected([counts(101, 0), counts(102, 0), counts(103, 5)], {}, THRESHOLDS, None, NOW)

    assert [(change.before, change.alert.status) for change in outcome.changes] == [
        (None, Status.ACTIVE),
        (Status.ACTIVE, Status.RETRACTED),
    ]
    assert [(row.views, row.status) for row in outcome.rows] == [(103, Status.RETRACTED)]


def test_the_console_line_says_what_where_when_and_how_many() -> None:
    line = console_line(alert(101, 2, Status.ACTIVE))

    assert line == "ALERT active     product_7 (laptops) 2026-03-01 12:00–12:10 UTC  views 101 purchases 2"


def test_a_name_forges_no_line_of_the_console_and_turns_nothing_around() -> None:
    named = replace(
        alert(101, 2, Status.ACTIVE), product_id="\x1b[2Jp\nALERT active     p2", product_category="toys\u202egnp.exe"
    )

    line = console_line(named)

    assert line.startswith(r"ALERT active     \x1b[2Jp\nALERT active\x20\x20")
    assert r"(toys\u202egnp.exe) 2026-03-01" in line
    assert all(char.isprintable() for char in line)


def test_a_long_name_is_shortened_on_the_console() -> None:
    line = console_line(replace(alert(101, 2, Status.ACTIVE), product_id="x" * 1024, product_category="y" * 1024))

    assert len(line) < 200
    assert line.endswith("UTC  views 101 purchases 2")

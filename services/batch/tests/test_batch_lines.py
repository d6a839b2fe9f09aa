"""Which lines are events: DuckDB's verdict against a recount in plain Python, line by line."""

import json
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from batch_awkward_lines import MALFORMED, TIMESTAMPS, VALID, raw_lines
from batch_days import DAY, line, log_of, recount
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from clickwatch_batch.input.lines import why_malformed
from clickwatch_batch.input.log_file import lines_at
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_line_is_counted_and_explained(engine: DuckDBEngine, tmp_path: Path, kind: str) -> None:
    malformed, explanation = MALFORMED[kind]

    intake = engine.load(log_of(tmp_path, [line(), malformed, line()]), DAY)

    assert (intake.events, intake.malformed) == (2, 1)
    assert list(engine.malformed()) == [1]
    assert explanation in why_malformed(malformed)


@pytest.mark.parametrize("kind", VALID)
def test_an_unusual_line_is_an_event_all_the_same(engine: DuckDBEngine, tmp_path: Path, kind: str) -> None:
    intake = engine.load(log_of(tmp_path, [VALID[kind]]), DAY)
    engine.keep("seen", "SELECT user_id, product_id, product_category FROM events")

    record = json.loads(VALID[kind])
    assert intake.events == 1
    assert list(engine.rows("seen")) == [(record["user_id"], record["product_id"], record["product_category"])]


@pytest.mark.parametrize("timestamp", TIMESTAMPS)
def test_an_event_belongs_to_its_day_in_utc(engine: DuckDBEngine, tmp_path: Path, timestamp: str) -> None:
    intake = engine.load(log_of(tmp_path, [line(timestamp=timestamp)]), DAY)

    assert getattr(intake, {"event": "events"}.get(TIMESTAMPS[timestamp], TIMESTAMPS[timestamp])) == 1


def test_an_unknown_event_type_counts_as_unknown(engine: DuckDBEngine, tmp_path: Path) -> None:
    engine.load(log_of(tmp_path, [line(event_type="wishlist"), line(event_type="VIEW"), line(event_type="‮view")]), DAY)
    engine.keep("seen", "SELECT CAST(event_type AS VARCHAR) FROM events")

    assert list(engine.rows("seen")) == [("unknown",)] * 3


def test_an_event_id_counts_once_and_its_first_line_wins(engine: DuckDBEngine, tmp_path: Path) -> None:
    first, other = "0b5e64c6-3c0a-4f3e-9f5d-6d3f2a1b0c9d", "evt-17"
    lines = [
        line(event_id=first, user_id="kept"),
        line(event_id=other, user_id="kept too"),
        line(event_id=first, user_id="repeated"),
        line(event_id=first.upper(), user_id="repeated in capitals"),
        line(event_id=other, user_id="repeated, no UUID"),
        line(event_id=first, timestamp="2025-06-02T00:00:00Z"),
    ]

    intake = engine.load(log_of(tmp_path, lines), DAY)
    engine.keep("seen", "SELECT user_id FROM events")

    assert (intake.events, intake.duplicates, intake.other_day) == (2, 3, 1)
    assert list(engine.rows("seen")) == [("kept",), ("kept too",)]


def test_lines_without_event_id_all_count(engine: DuckDBEngine, tmp_path: Path) -> None:
    intake = engine.load(log_of(tmp_path, [line(), line(), line(), line()]), DAY)

    assert (intake.events, intake.duplicates) == (4, 0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(raw_lines, max_size=25))
def test_no_line_is_lost_whatever_a_log_holds(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = log_of(Path(folder), [line(), *lines])
        expected = recount([line(), *lines])
        with closing(DuckDBEngine(Path(folder), "500MB", 2)) as engine:
            intake = engine.load(log, DAY)
            blank = log.lines - intake.events - intake.duplicates - intake.other_day - intake.malformed
            kept_aside = [number for number, _ in lines_at(log, engine.malformed(), blank)]

    assert kept_aside == expected.malformed
    assert (intake.events, intake.duplicates, intake.other_day) == (
        len(expected.events),
        expected.duplicates,
        expected.other_day,
    )

"""A day that is not over: refused, or published as unfinished and shown so everywhere, until a later run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # brings no types
import psycopg
import pytest
from batch_days import line, write_log
from clickwatch_batch.input.log_file import frozen_copy
from clickwatch_batch.input.storage import Location
from clickwatch_batch.reports.notifier import subject
from clickwatch_batch.serving.postgres import ServingLayer
from test_batch_postgres import REPORT
from test_batch_reconciliation import Shop, write_lake
from test_batch_run import batch, error


@pytest.fixture
def today() -> date:
    """The UTC day that goes on; a test that runs over midnight would see another."""
    return datetime.now(UTC).date()


def write_day(data_dir: Path, day: date, events: int = 20) -> Path:
    return write_log(
        data_dir / "logs", [line(timestamp=f"{day}T00:00:00Z", user_id=f"u{n}") for n in range(events)], day
    )


def test_a_day_that_is_not_over_is_refused(tmp_path: Path, database_url: str, today: date) -> None:
    write_day(tmp_path, today)

    said = error(batch(tmp_path, "run", "--date", str(today), DATABASE_URL=database_url))

    assert f"{today} is not over before {today + timedelta(days=1)} 00:00 UTC" in said
    assert f"run --date {today} --unfinished" in said
    assert not (tmp_path / "reports").exists()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM daily_summary").fetchone() == (0,)


def test_what_there_is_of_it_is_published_as_unfinished_when_asked_for(
    tmp_path: Path, database_url: str, today: date
) -> None:
    write_day(tmp_path, today)
    variables = {"DATABASE_URL": database_url, "RECONCILIATION": "required"}

    done = batch(tmp_path, "run", "--date", str(today), "--unfinished", **variables)

    assert done.returncode == 0, done.stderr
    assert f"UNFINISHED: {today} is not over" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 72
    document = json.loads((tmp_path / "reports" / f"summary_{today}.json").read_text())
    assert document["status"] == "unfinished"
    assert f"{today} is not over" in document["unfinished"]
    schema = json.loads((files("clickwatch_batch.reports") / "report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT unfinished, total_events FROM daily_summary").fetchall() == [(True, 20)]
        (note,) = connection.execute("SELECT note FROM quality_gates WHERE gate = 'volume'").fetchone() or ("",)
        assert connection.execute("SELECT count(*) FROM reconciliation").fetchone() == (0,)
    assert note == "20 events so far; the day is unfinished"


def test_a_later_run_completes_the_day(database_url: str) -> None:
    serving_layer = ServingLayer(database_url, timedelta(seconds=10))
    part = replace(REPORT, unfinished="it is noon")
    serving_layer.publish(part, [], [], [])

    serving_layer.publish(REPORT, [], [], [])

    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT unfinished FROM daily_summary").fetchall() == [(False,)]


def test_an_unfinished_day_is_no_usual_day_for_the_volume_of_others(database_url: str) -> None:
    serving_layer = ServingLayer(database_url, timedelta(seconds=10))
    for back in (1, 2, 3):
        day = replace(REPORT, report_date=REPORT.report_date - timedelta(days=back))
        serving_layer.publish(replace(day, unfinished="it is noon") if back == 2 else day, [], [], [])

    assert serving_layer.recent_totals(REPORT.report_date) == [7, 7]


def test_a_mail_says_in_its_subject_that_the_day_is_unfinished() -> None:
    assert subject(replace(REPORT, unfinished="it is noon")) == "Clickstream 2025-06-01: unfinished, 7 events, 1 buyers"


@contextmanager
def growing(log: Path, day: date) -> Iterator[None]:
    """Let another process write lines to a log all the time, the last of them never whole."""
    writer = f"""
import itertools, sys
whole = {line(timestamp=f"{day}T00:00:01Z", user_id="writer").decode()!r}
with open({str(log)!r}, "a") as log:
    for number in itertools.count():
        log.write(whole + "\\n" + whole[:40])
        log.flush()
        log.write(whole[40:] + "\\n")
        if number == 100:
            print("writes", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", writer], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writes\n"
        yield
    finally:
        process.kill()
        process.wait()


def test_a_log_that_grows_while_it_is_read_gives_what_it_had(tmp_path: Path, today: date) -> None:
    log = write_day(tmp_path, today)

    with growing(log, today):
        done = batch(tmp_path, "run", "--date", str(today), "--unfinished", "--no-publish")

    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "reports" / f"summary_{today}.json").read_text())
    assert document["summary"]["total_events"] > 120
    assert document["dropped"]["malformed_lines"] == 0
    assert document["log_name"] == log.name


def test_a_lake_that_has_not_come_to_the_end_of_the_day_is_refused_or_marked(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event(7)
    write_lake(shop, timedelta(hours=20))
    variables = {"BATCH_SOURCE": "lake", "RECONCILIATION": "off"}

    refused = batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish", **variables)
    marked = batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish", "--unfinished", **variables)

    said = "the lake has not come to the end of 2025-06-01: its windows are closed until 2025-06-01 20:00 UTC"
    assert said in error(refused)
    assert marked.returncode == 0, marked.stderr
    assert json.loads((tmp_path / "reports" / "summary_2025-06-01.json").read_text())["unfinished"] == said


def test_a_frozen_copy_has_whole_lines_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    (tmp_path / "frozen").mkdir()
    for content, kept in ((b"a\nb\nc", b"a\nb\n"), (b"a\n", b"a\n"), (b"abc", b""), (b"", b"")):
        log.write_bytes(content)

        copy = frozen_copy(Location(str(log)), tmp_path / "frozen").path

        assert copy is not None
        assert copy.read_bytes() == kept

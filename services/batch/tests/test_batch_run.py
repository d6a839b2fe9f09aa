"""The command line, from a log to tables and reports."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from batch_days import DAY, line, write_log


def batch(data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what `python -m clickwatch_batch ARGUMENTS` did."""
    environment = {"DATA_DIR": str(data_dir), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin", **variables}
    return subprocess.run(
        [sys.executable, "-m", "clickwatch_batch", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def error(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line of a failure."""
    assert done.returncode == 1, done.stderr
    last_line = done.stderr.splitlines()[-1]
    assert last_line.startswith("error: ")
    assert "Traceback" not in done.stderr
    return last_line


GOOD_DAY = [line(user_id=f"user_{number}", event_id=str(number)) for number in range(30)]


def test_a_day_goes_from_its_log_to_tables_and_reports(tmp_path: Path, database_url: str) -> None:
    write_log(tmp_path / "logs", [*GOOD_DAY, GOOD_DAY[0], b"{"])

    done = batch(tmp_path, "run", "--date", "2025-06-01", DATABASE_URL=database_url)

    assert done.returncode == 0, done.stderr
    text = (tmp_path / "reports" / "summary_2025-06-01.txt").read_text()
    assert done.stdout == text + "\n"
    assert "Clickstream report for 2025-06-01" in text
    document = json.loads((tmp_path / "reports" / "summary_2025-06-01.json").read_text())
    assert document["summary"]["total_events"] == 30
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT total_events, duplicate_events, malformed_lines FROM daily_summary").fetchone()
        assert row == (30, 1, 1)
        assert connection.execute("SELECT count(*) FROM user_segments").fetchone() == (30,)
    kept_aside = (tmp_path / "quarantine" / "malformed_2025-06-01.jsonl").read_text().splitlines()
    assert [json.loads(each)["line"] for each in kept_aside] == [32]
    assert json.loads(kept_aside[0])["text"] == "{"
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_rerun_leaves_the_same_tables_and_files(tmp_path: Path, database_url: str) -> None:
    write_log(tmp_path / "logs", GOOD_DAY)

    def outputs() -> list[object]:
        batch(tmp_path, "run", "--date", "2025-06-01", DATABASE_URL=database_url)
        with psycopg.connect(database_url) as connection:
            tables = ("daily_summary", "user_segments", "product_performance", "category_conversion", "quality_gates")
            found = [connection.execute(f"SELECT xmin::text, t::text FROM {table} t").fetchall() for table in tables]
        return [found, {file.name: file.read_bytes() for file in (tmp_path / "reports").iterdir()}]

    assert outputs() == outputs()


def test_without_a_database_the_reports_are_made_all_the_same(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", GOOD_DAY)

    first = batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish", DATABASE_URL="postgresql://127.0.0.1:1/x")
    again = batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish")

    assert first.returncode == 0, first.stderr
    assert again.stdout == first.stdout


def test_yesterday_is_the_day_by_default(tmp_path: Path) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)

    done = batch(tmp_path, "run", "--no-publish")

    assert f"clickstream_{yesterday}.jsonl: no input for {yesterday}" in error(done)


def test_a_range_does_what_it_can_and_names_what_is_missing(tmp_path: Path, database_url: str) -> None:
    for number in (1, 3):
        day = DAY.replace(day=number)
        write_log(tmp_path / "logs", [line(timestamp=f"{day}T12:00:00Z")], day)

    done = batch(tmp_path, "run", "--from", "2025-06-01", "--to", "2025-06-04", DATABASE_URL=database_url)

    said = error(done)
    assert "2 of 4 days failed" in said
    assert "2025-06-02: " in said
    assert "2025-06-04: " in said
    assert "2025-06-03: " not in said
    with psycopg.connect(database_url) as connection:
        days = connection.execute("SELECT report_date::text FROM daily_summary ORDER BY 1").fetchall()
    assert days == [("2025-06-01",), ("2025-06-03",)]


def test_malformed_lines_above_the_threshold_fail_the_day_and_publish_nothing(
    tmp_path: Path, database_url: str
) -> None:
    write_log(tmp_path / "logs", [*GOOD_DAY[:19], b"{"])
    next_day = [line(timestamp="2025-06-02T12:00:00Z") for _ in range(18)]
    write_log(tmp_path / "logs", [*next_day, b"{", b""], DAY + timedelta(days=1))

    at_threshold = batch(tmp_path, "run", "--date", "2025-06-01", DATABASE_URL=database_url)
    above = batch(tmp_path, "run", "--date", "2025-06-02", DATABASE_URL=database_url)

    assert at_threshold.returncode == 0, at_threshold.stderr
    said = error(above)
    assert "2 of 20 lines are malformed (10.00%), more than MALFORMED_THRESHOLD=0.05 allows" in said
    kept_aside = tmp_path / "quarantine" / "malformed_2025-06-02.jsonl"
    assert str(kept_aside) in said
    assert [json.loads(each)["error"] for each in kept_aside.read_text().splitlines()][1] == "empty line"
    assert not (tmp_path / "reports" / "summary_2025-06-02.json").exists()
    assert "REFUSED" in (tmp_path / "reports" / "refused_2025-06-02.txt").read_text()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT report_date::text FROM daily_summary").fetchall() == [("2025-06-01",)]
        verdicts = connection.execute(
            "SELECT report_date::text, verdict, measured FROM quality_gates WHERE gate = 'malformed' ORDER BY 1"
        ).fetchall()
    assert verdicts == [("2025-06-01", "warn", Decimal("0.05")), ("2025-06-02", "fail", Decimal("0.1"))]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no input for the day, the file is empty"),
        (
            [line(timestamp="2025-06-02T00:00:00Z")],
            "none of its 1 lines is an event of that UTC day (1 of other days, 0 malformed)",
        ),
    ],
)
def test_a_log_without_an_event_of_the_day_is_no_input(tmp_path: Path, lines: list[bytes], reason: str) -> None:
    write_log(tmp_path / "logs", lines)

    assert reason in error(batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish"))


def test_a_mended_log_takes_back_what_was_kept_aside(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", [*GOOD_DAY, b"{"])
    batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish")

    write_log(tmp_path / "logs", GOOD_DAY)
    batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish")

    assert list((tmp_path / "quarantine").iterdir()) == []


def test_report_prints_a_day_done_before(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", GOOD_DAY)
    made = batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish")

    printed = batch(tmp_path, "report", "--date", "2025-06-01")

    assert printed.stdout + "\n" == made.stdout
    assert "run --date 2025-06-02" in error(batch(tmp_path, "report", "--date", "2025-06-02"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MALFORMED_THRESHOLD", "5"),
        ("DUCKDB_MEMORY_LIMIT", "plenty"),
        ("DUCKDB_THREADS", "0"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("WAIT_TIMEOUT", "soon"),
    ],
)
def test_a_bad_variable_is_named_with_its_value(tmp_path: Path, variable: str, value: str) -> None:
    assert f"{variable}={value!r}: must" in error(batch(tmp_path, "run", "--no-publish", **{variable: value}))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--from", "2025-06-02", "--to", "2025-06-01"], "must not come after"),
        (["--from", "2025-06-02"], "belong together"),
        (["--date", "2025-06-01", "--from", "2025-06-01", "--to", "2025-06-02"], "use one of the two ways"),
    ],
)
def test_days_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str], reason: str) -> None:
    assert reason in error(batch(tmp_path, "run", *arguments))

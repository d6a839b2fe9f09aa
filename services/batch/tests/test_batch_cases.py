"""Logs from the field, each with its right outcome, through the command line."""

import json
import shutil
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_batch_run import batch, error

CASES = Path(__file__).parent / "cases"


def brought(name: str, data_dir: Path) -> Path:
    """Bring the logs of a case to a data folder; return the one there is."""
    shutil.copytree(CASES / name / "logs", data_dir / "logs")
    (log,) = (data_dir / "logs").iterdir()
    return log


def acting(text: str) -> list[str]:
    """What of a text acts on a terminal or on the text around it."""
    return [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")]


def test_b06_gzip_under_a_plain_name_is_named(tmp_path: Path) -> None:
    log = brought("b06", tmp_path)

    said = error(batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish"))

    assert f"{log}: holds gzip and no lines of JSON; let its name end in .gz, or unpack it" in said
    log.rename(f"{log}.gz")
    assert batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish").returncode == 0


def test_b11_a_day_of_another_time_zone_is_kept_back_by_a_gate(tmp_path: Path, database_url: str) -> None:
    brought("b11", tmp_path)

    said = error(batch(tmp_path, "run", "--date", "2025-06-01", DATABASE_URL=database_url))

    assert "lines belong to another UTC day" in said
    assert "more than OTHER_DAY_THRESHOLD=0.2 allows" in said
    report = (tmp_path / "reports" / "refused_2025-06-01.txt").read_text()
    assert "fail  other_day" in report
    wanted = batch(tmp_path, "run", "--date", "2025-06-01", DATABASE_URL=database_url, OTHER_DAY_THRESHOLD="0.5")
    assert wanted.returncode == 0, wanted.stderr
    assert "warn  other_day" in wanted.stdout


@pytest.mark.parametrize(("name", "day"), [("b14", "2025-06-01"), ("d01", "2025-06-02")])
def test_b14_and_d01_names_act_on_nothing_in_console_report_and_json(name: str, day: str, tmp_path: Path) -> None:
    brought(name, tmp_path)
    # Whether a line with a control character is an event is the contract's matter, and not this test's.
    lenient = {"MALFORMED_THRESHOLD": "1", "LOG_FORMAT": "console"}

    done = batch(tmp_path, "run", "--date", day, "--no-publish", **lenient)

    assert done.returncode == 0, done.stderr
    text = (tmp_path / "reports" / f"summary_{day}.txt").read_text()
    isolated = text.replace("\u2068", "").replace("\u2069", "")
    assert text.count("\u2068") == text.count("\u2069")
    assert acting(isolated) == acting(done.stderr) == []
    assert max(map(len, isolated.splitlines())) <= 72
    assert not any(row.startswith(("Total revenue", "next line")) for row in text.splitlines())
    document = (tmp_path / "reports" / f"summary_{day}.json").read_text()
    assert acting(document) == []
    assert json.loads(document)["summary"]["total_events"] > 0
    for kept_aside in (tmp_path / "quarantine").glob("*"):
        assert acting(kept_aside.read_text()) == []


def test_b14_a_name_that_turns_text_around_shows_that_it_would(tmp_path: Path) -> None:
    brought("b14", tmp_path)

    done = batch(tmp_path, "run", "--date", "2025-06-01", "--no-publish", MALFORMED_THRESHOLD="1")

    long_name = [row for row in done.stdout.splitlines() if "xxxx" in row]
    assert all("…" in row for row in long_name)
    if r"toys\u202egnp.exe" not in done.stdout:
        # Its lines name a product with control characters too, and may be no events.
        assert json.loads((tmp_path / "reports" / "summary_2025-06-01.json").read_text())["dropped"]["malformed_lines"]


def test_b19_a_day_that_is_not_over_is_refused_or_marked(tmp_path: Path) -> None:
    log = brought("b19", tmp_path)
    today = str(datetime.now(UTC).date())
    log.write_text(log.read_text().replace("2026-11-26", today))
    log.rename(log.with_name(f"clickstream_{today}.jsonl"))

    refused = batch(tmp_path, "run", "--date", today, "--no-publish")
    marked = batch(tmp_path, "run", "--date", today, "--no-publish", "--unfinished")

    assert f"{today} is not over" in error(refused)
    assert marked.returncode == 0, marked.stderr
    assert "UNFINISHED" in marked.stdout

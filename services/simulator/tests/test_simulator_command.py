"""The program, by its command line, without a server."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clickwatch_events import BadLine, Event, from_line
from clickwatch_service import UserError
from clickwatch_simulator.__main__ import app
from typer.testing import CliRunner

MESSY = (
    *("--duplicates", "0.02", "--late", "0.02", "--out-of-order", "0.02", "--future", "0.002", "--poison", "0.01"),
    *("--flash-sale", "product_7", "--flash-sale-retracted", "product_9"),
)


def command(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clickwatch_simulator", *arguments],
        env=_environment(data_dir, environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _environment(data_dir: Path, more: dict[str, str]) -> dict[str, str]:
    python_path = os.pathsep.join(path for path in sys.path if path)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": python_path, "DATA_DIR": str(data_dir), **more}


def logs(data_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((data_dir / "logs").iterdir())}


def test_a_seed_and_a_start_give_the_same_log_byte_for_byte_and_the_same_ledger(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = command(
            tmp_path / name,
            *("stream", "--fast", "--no-kafka", "--events", "15000", "--rate", "2.5", "--seed", "7"),
            *("--start-time", "2025-06-01T00:00Z", "--ledger", str(tmp_path / f"{name}.json"), *MESSY),
        )
        assert done.returncode == 0, done.stderr

    assert logs(tmp_path / "one") == logs(tmp_path / "two")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert {**one, "options": None} == {**two, "options": None}
    assert one["events"] == 15_000
    assert one["late"] > 0


def test_backfill_fills_one_day_and_a_repetition_replaces_it(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        done = command(tmp_path, "backfill", "--date", "2025-06-01", "--events", "3000", "--seed", seed)
        assert done.returncode == 0, done.stderr

    ((name, content),) = logs(tmp_path).items()
    events = [from_line(line) for line in content.splitlines()]
    times = [event.timestamp_ms for event in events]
    assert name == "clickstream_2025-06-01.jsonl"
    assert len(events) == 3000
    assert datetime.fromtimestamp(min(times) / 1000, UTC).isoformat() < "2025-06-01T00:01"
    assert datetime.fromtimestamp(max(times) / 1000, UTC).isoformat() > "2025-06-01T23:59"


def test_sigterm_ends_a_stream_in_order_and_its_ledger_and_log_agree(tmp_path: Path) -> None:
    ledger_file = tmp_path / "ledger.json"
    arguments = ("stream", "--no-kafka", "--rate", "500", "--poison", "0.01", "--ledger", str(ledger_file))
    with subprocess.Popen(
        [sys.executable, "-m", "clickwatch_simulator", *arguments], env=_environment(tmp_path, {})
    ) as running:
        wait_for_lines(running, tmp_path / "logs", 100)
        running.send_signal(signal.SIGTERM)
        status = running.wait(20)

    ledger = json.loads(ledger_file.read_text())
    lines = [line for content in logs(tmp_path).values() for line in content.splitlines(keepends=True)]
    assert status == 0
    assert sum(day["lines"] for day in ledger["days"].values()) == len(lines)
    assert ledger["events"] == sum(isinstance(event_or_none(line), Event) for line in lines) >= 100


def wait_for_lines(running: subprocess.Popen[bytes], folder: Path, count: int) -> None:
    """Wait until the log has so many lines, or the program ends."""
    deadline = datetime.now(UTC) + timedelta(seconds=120)
    while running.poll() is None and datetime.now(UTC) < deadline:
        written = sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))
        if written >= count:
            return
        try:
            running.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"fewer than {count} lines; exit status {running.poll()}")


def event_or_none(line: bytes) -> Event | None:
    try:
        return from_line(line)
    except BadLine:
        return None


def test_a_replay_ends_with_a_summary_and_with_status_1_where_too_many_rows_are_bad(tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,1,2,,b,35.79,3,s\n"
        "nonsense\n"
    )
    arguments = ("replay", str(file), "--mapping", "rees46", "--speed", "max", "--no-kafka")

    allowed = command(tmp_path, *arguments, "--max-bad", "0.5")
    refused = command(tmp_path, *arguments)

    assert allowed.returncode == 0, allowed.stderr
    assert list(logs(tmp_path)) == ["clickstream_2019-10-01.jsonl"]
    assert json.loads((tmp_path / "quarantine" / "replay_shop.csv.jsonl").read_text())["set_aside"] == 3
    assert "line 3: 1 values for 9 columns" in allowed.stdout
    assert refused.returncode == 1
    assert "50.0% was set aside, more than --max-bad=0.1" in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("stream", "--fast"), {}, "--fast without --events or --duration"),
        (("stream", "--rate", "0"), {}, "--rate=0"),
        (("stream", "--events", "1", "--duration", "1s"), {}, "give one of the two"),
        (("stream", "--fast", "--events", "9", "--start-time", "+1h"), {}, "end in the future"),
        (("stream",), {"NUM_USERS": "many"}, "NUM_USERS='many'"),
        (("stream",), {"WATERMARK": "soon"}, "WATERMARK='soon'"),
        (("stream",), {"SLIDE_DURATION": "20 minutes"}, "must be at most WINDOW_DURATION"),
        (("backfill", "--date", "2999-01-01"), {}, "the day is not over"),
        (("replay", "gone.csv", "--no-kafka"), {}, "gone.csv: cannot be read"),
        (
            ("replay", "gone.csv", "--mapping", "ours"),
            {},
            "--mapping=ours: must be one of clickwatch, rees46,",
        ),
        (("replay", "gone.csv", "--speed", "fast"), {}, "--speed=fast"),
        (
            ("stream", "--events", "1"),
            {"SCHEMA_REGISTRY_URL": "http://127.0.0.1:9", "WAIT_TIMEOUT": "0.3"},
            "http://127.0.0.1:9 did not answer within 0 s",
        ),
    ],
)
def test_what_the_user_can_fix_names_the_thing_and_the_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    message: str,
) -> None:
    for name, value in {"DATA_DIR": str(tmp_path), **environment}.items():
        monkeypatch.setenv(name, value)

    result = CliRunner().invoke(app, arguments)

    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_the_program_says_it_in_one_line_with_status_1(tmp_path: Path) -> None:
    done = command(tmp_path, "stream", WATERMARK="soon")

    assert done.returncode == 1
    assert done.stderr.startswith("error: WATERMARK='soon'")
    assert len(done.stderr.splitlines()) == 1

"""What the simulator imports, and what it says of it, against what the batch layer makes of the same lines."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from batch_awkward_lines import MALFORMED, VALID
from batch_days import DAY, line, log_of
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from clickwatch_batch.input.log_file import count_lines
from clickwatch_batch.input.storage import Location


def imported(folder: Path, lines: list[bytes]) -> dict[str, Any]:
    """Replay lines as a shop's log by the simulator's program; return its ledger, JSON of known form, hence Any."""
    file = folder / "shop.jsonl"
    file.write_bytes(b"".join(each + b"\n" for each in lines))
    options = ("--no-kafka", "--speed", "max", "--max-bad", "1", "--ledger", str(folder / "ledger.json"))
    subprocess.run(
        [sys.executable, "-m", "clickwatch_simulator", "replay", str(file), *options],
        env={"DATA_DIR": str(folder), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    ledger: dict[str, Any] = json.loads((folder / "ledger.json").read_text())
    return ledger


def test_the_ledger_of_an_import_is_what_batch_says_of_the_log(engine: DuckDBEngine, tmp_path: Path) -> None:
    users = ["a\0b", "x" * 1025, "", " ", "u1", "u1\n", "\U0001f600"]
    ids = ["0b5e64c6-3c0a-4f3e-9f5d-6d3f2a1b0c9d", "0B5E64C6-3C0A-4F3E-9F5D-6D3F2A1B0C9D", "evt-1", "evt-1", "evt-2"]
    prices: list[object] = [99999999999999999, 100.6, 10**15 - 1, -1, 0]
    lines = [
        *(line(user_id=user) for user in users),
        *(line(event_id=one, event_type="purchase", price_minor=7, currency="EUR") for one in ids),
        *(line(event_type="purchase", price_minor=price, currency="VND") for price in prices),
        line(price_minor=100, currency="dollars"),
    ]

    ledger = imported(tmp_path, lines)["days"][str(DAY)]

    intake = engine.load(count_lines(Location(str(tmp_path / "logs" / f"clickstream_{DAY}.jsonl"))), DAY)
    engine.keep(
        "counted",
        "SELECT count(DISTINCT user_id), sum(amount_minor) FROM events",
    )
    assert (intake.events, intake.duplicates, intake.malformed) == (3 + 3 + 2, 2, 0)
    assert (intake.events, intake.duplicates, intake.malformed, intake.lines) == tuple(
        ledger[name] for name in ("total_events", "duplicates", "malformed", "lines")
    )
    assert list(engine.rows("counted")) == [(len(ledger["users"]), ledger["revenue_minor"])]


@pytest.mark.parametrize("kind", ["malformed", "valid"])
def test_the_import_accepts_the_lines_of_a_log_that_batch_accepts(
    engine: DuckDBEngine, tmp_path: Path, kind: str
) -> None:
    lines = [*VALID.values()] if kind == "valid" else [raw for raw, _ in MALFORMED.values()]

    imported(tmp_path, [line(), *lines])

    aside = tmp_path / "quarantine" / "replay_shop.jsonl.jsonl"
    refused = {json.loads(each)["set_aside"] for each in aside.read_bytes().splitlines()} if aside.exists() else set()
    engine.load(log_of(tmp_path / "raw", [line(), *lines]), DAY)
    assert refused == {number + 1 for number in engine.malformed()}

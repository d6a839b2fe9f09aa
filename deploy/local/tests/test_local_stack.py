"""The whole pipeline, killed five times, through its public doors, against the simulator's ledger, exactly.

Every run holds duplicates, late, out-of-order and future events, both schema versions and poison.
"""

import random
import secrets
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from clickwatch_ledger import Ledger, Outcome, eventually
from clickwatch_ledger.comparison import MISHAPS, LedgerComparison
from clickwatch_ledger.pipeline import when_through
from clickwatch_servers import Process
from stack_services import Services

pytest_plugins = ["clickwatch_servers.fixtures"]

YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
PARTS, PART_EVENTS, PART_RATE = 6, 35_000, 6
PART_LENGTH = timedelta(seconds=PART_EVENTS / PART_RATE) + timedelta(minutes=2)


@pytest.fixture(scope="module")
def outcome(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, schema_registry_url: str, postgres_url: str
) -> Outcome:
    """210,000 events in six parts; the service killed at a random moment in each of the first five."""
    folder = tmp_path_factory.mktemp("pipeline")
    clocks = {"LAKE_INTERVAL": "3 s", "CHECKPOINT_INTERVAL": "10 s", "TRIGGER": "realtime"}
    services = Services(folder, kafka_bootstrap, schema_registry_url, postgres_url, clocks)
    seed = secrets.randbelow(2**32)
    chance = random.Random(seed)
    print(f"\nkill -9 at random moments: seed {seed}")
    files = [services.folder / f"ledger-{part}.json" for part in range(PARTS)]
    before, restarted = services.pipeline.last_alert_change(), monotonic()
    streaming = services.start_streaming()
    try:
        for part, file in enumerate(files):
            start = (YESTERDAY + part * PART_LENGTH).isoformat()
            options = (f"--events={PART_EVENTS}", f"--rate={PART_RATE}", f"--start-time={start}")
            services.simulate(file, *options, f"--seed={seed + part}", *MISHAPS)
            if part < PARTS - 1:
                # At any moment: while it starts, or after it has begun to tell of what it found.
                if chance.random() < 0.6:
                    _next_alert(services, before, streaming)
                streaming.wait(chance.uniform(0, 8))
                streaming.require_running()
                streaming.kill()
                before, restarted = services.pipeline.last_alert_change(), monotonic()
                print(f"killed {part + 1} times, last alert at {before}")
                streaming = services.start_streaming()
        _next_alert(services, before, streaming)
        print(f"the next alert came {monotonic() - restarted:.1f} s after the last restart")
        ledger = Ledger(files)
        eventually(services.pipeline.visible, when_through(ledger), streaming.require_running)
    finally:
        streaming.stop()
    return Outcome(services.pipeline, ledger, YESTERDAY.date().isoformat(), services.analyse)


def _next_alert(services: Services, before: datetime | None, streaming: Process) -> None:
    assert eventually(lambda: services.pipeline.last_alert_change() != before, True, streaming.require_running)


class TestTheLocalStack(LedgerComparison):
    """All of it, of one run."""

"""The local stack under traffic, its parts killed with SIGKILL; `up` starts each time, and nothing is lost or doubled.

`CLICKWATCH_KILLS=10 CLICKWATCH_KILLS_SEED=7` kills so often, in an order that the seed says.
"""

import json
import os
import random
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
from clickwatch_events.avro import EventDecoder
from clickwatch_events.registry import Registry
from clickwatch_ledger import Pipeline, eventually
from clickwatch_ledger.recount import recount
from clickwatch_servers.postgres import password
from stack_up import Up

KILLS = int(os.environ.get("CLICKWATCH_KILLS", "2"))
SEED = int(os.environ.get("CLICKWATCH_KILLS_SEED", "0")) or secrets.randbelow(2**32)
ALL, JVM = "all at once", "Spark's JVM"
PARTS = ("Kafka", "PostgreSQL", "Schema Registry", JVM, "streaming", "dashboard", "simulator", ALL)
UP_SECONDS = 300


def order(chance: random.Random, kills: int) -> list[str]:
    """Parts to kill: all at once and Kafka among the first, then as chance has it, none again before each was."""
    rest = [part for part in PARTS if part not in (ALL, "Kafka")]
    first = [ALL, "Kafka", *chance.sample(rest, len(rest))]
    more = [chance.choice(PARTS) for _ in range(max(0, kills - len(first)))]
    chosen = (first + more)[:kills]
    chance.shuffle(chosen)
    return chosen


class Shop:
    """A local stack under traffic."""

    def __init__(self, folder: Path) -> None:
        clocks = {"LAKE_INTERVAL": "5 s", "CHECKPOINT_INTERVAL": "10 s"}
        self.up = Up(folder, "--rate=100", environment=clocks)

    @property
    def pipeline(self) -> Pipeline:
        state, places = self.up.state, self.up.places
        secret = password(places.passwords, "clickwatch_reader")
        url = state.database.replace("clickwatch_reader@", f"clickwatch_reader:{secret}@")
        return Pipeline(state.kafka, url, places.data, "clickstream-events")

    def wait_until_up(self) -> None:
        self.up.wait_for("everything is up", UP_SECONDS)
        self.up.wait_for_alert(UP_SECONDS)

    def wait_for_traffic(self) -> None:
        """Return once messages have come."""
        before = self.pipeline.end_offset("clickstream-events")
        more = eventually(
            lambda: self.pipeline.end_offset("clickstream-events") > before, True, self._require_running, UP_SECONDS
        )
        assert more, self.up.said

    def kill(self, part: str) -> None:
        """Kill a part, or all with what started them, and see that it is gone and nothing goes on without it."""
        names = {one.name: one.pid for one in self.up.state.parts}
        if part == JVM:
            assert eventually(lambda: self._jvm() is not None, True, self._require_running, UP_SECONDS)
            victims = [self._jvm() or 0]
        elif part == ALL:
            victims = [self.up.process.pid, *names.values()]
        else:
            victims = [names[part]]
        processes = [psutil.Process(pid) for pid in victims]
        for process in processes:
            process.send_signal(signal.SIGKILL)
        gone = self.up.process.wait(UP_SECONDS)
        # A process that was killed is there for a moment more.
        assert not eventually(lambda: any(map(_runs, processes)), False, timeout_seconds=UP_SECONDS)
        assert gone == (-signal.SIGKILL if part == ALL else 1)
        if part not in (ALL, JVM):
            assert f"error: {part} was ended by SIGKILL" in self.up.said
        if part == JVM:
            assert "Spark's JVM has ended (killed by SIGKILL)" in self.up.said

    def _jvm(self) -> int | None:
        """The JVM that streaming works with; None while it has none yet."""
        file = self.up.places.data / "checkpoints" / "jvm.pid"
        pid = int(file.read_text().split()[0]) if file.exists() else None
        # The file of a service before lies there until the next one has ended its JVM.
        (streaming,) = (one.pid for one in self.up.state.parts if one.name == "streaming")
        return pid if pid in {one.pid for one in psutil.Process(streaming).children(recursive=True)} else None

    def quiet(self) -> None:
        """Hold the traffic, and return once the lake has all of it."""
        (simulator,) = (one.pid for one in self.up.state.parts if one.name == "simulator")
        os.kill(simulator, signal.SIGSTOP)
        ends = eventually(self._ends_if_read, True, self._require_running, UP_SECONDS)
        assert ends, self.up.said

    def _ends_if_read(self) -> bool:
        pipeline = self.pipeline
        batches = sorted((pipeline.data / "lake" / "_batches").glob("*.json"))
        if not batches:
            return False
        record = _json(batches[-1])
        read: int = sum(record["next_offsets"].values())
        return read == pipeline.end_offset(pipeline.topic)

    def _require_running(self) -> None:
        assert self.up.process.poll() is None, self.up.said


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.up.process.send_signal(signal.SIGTERM)
    shop.up.process.wait(UP_SECONDS)


def test_up_starts_after_each_kill_and_what_is_shown_equals_a_recount_of_the_topic(shop: Shop) -> None:
    chance = random.Random(SEED)
    chosen = order(chance, KILLS)
    print(f"\nSIGKILL to {', '.join(chosen)}: seed {SEED}")
    shop.wait_until_up()

    for part in chosen:
        shop.wait_for_traffic()
        shop.up.goes_on_for(chance.uniform(0, 6))
        shop.kill(part)
        began = monotonic()
        shop.up.start()
        shop.wait_until_up()
        print(f"{part}: up again after {monotonic() - began:.1f} s")

    shop.quiet()
    _compare(shop)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _json(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def _dead_letters(pipeline: Pipeline) -> Counter[tuple[int, int]]:
    letters = (dict(one.headers() or []) for one in pipeline.messages(pipeline.dead_letters_topic))
    return Counter((int(headers["partition"] or 0), int(headers["offset"] or 0)) for headers in letters)


def _compare(shop: Shop) -> None:
    pipeline = shop.pipeline
    counted = recount(pipeline.messages(pipeline.topic), EventDecoder(Registry(shop.up.state.registry)))
    record = _json(max((pipeline.data / "lake" / "_batches").glob("*.json")))
    print(f"{len(counted.events)} events, {len(counted.bad)} bad messages, {record['totals']['late']} late events")
    assert record["totals"]["late"] == 0

    lake = Counter(str(one) for (one,) in pipeline.lake("SELECT event_id FROM events"))
    assert lake == Counter(counted.events)
    assert _dead_letters(pipeline) == Counter(counted.bad)
    closed_ms = record["closed_until_ms"]
    closed = {key: counts for key, counts in counted.windows.items() if (key[1].timestamp() + 600) * 1000 <= closed_ms}
    stats = pipeline.lake("SELECT product_id, window_start, views, carts, purchases FROM window_stats")
    found = {(product, start): (views, carts, buys) for product, start, views, carts, buys in stats}
    assert len(found) == len(stats)
    assert found == closed
    alerts = counted.alerts(ended_by=None)
    is_right = eventually(
        lambda: (
            pipeline.alerts("confirmed") == {key: one for key, one in alerts.items() if key in closed}
            and pipeline.alerts("active") == {key: one for key, one in alerts.items() if key not in closed}
        ),
        True,
        shop._require_running,
        60,
    )
    assert is_right, (pipeline.alerts("confirmed"), pipeline.alerts("active"), alerts)

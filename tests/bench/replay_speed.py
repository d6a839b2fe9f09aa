"""Replay a clean file: two builds of the simulator beside each other, round by round.

    python replay_speed.py --before 'OLD COMMAND' --after 'NEW COMMAND'

A command starts the simulator, for instance `dist/simulator.pex` of two checkouts. Events go to the daily
log and not to Kafka, so that the reading is what is measured. Prints rows a second of processor time.
"""

import argparse
import json
import os
import random
import resource
import shlex
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
START = datetime(2019, 10, 1, tzinfo=UTC)


def shop_rows(count: int) -> list[list[str]]:
    """Return rows as those of the REES46 data sets, about forty a second as theirs in October 2019."""
    chance = random.Random(1)
    categories = ["", "electronics.smartphone", "appliances.kitchen.washer", "computers.notebook"]
    return [
        [
            f"{START + timedelta(seconds=index // 40):%Y-%m-%d %H:%M:%S} UTC",
            chance.choice(["view"] * 9 + ["cart", "purchase"]),
            str(chance.randrange(1_000_000, 1_050_000)),
            str(2053013550000000000 + chance.randrange(600)),
            chance.choice(categories),
            chance.choice(["", "samsung", "apple", "xiaomi"]),
            f"{chance.randrange(100, 250_000) / 100:.2f}",
            str(chance.randrange(512_000_000, 512_100_000)),
            f"{chance.getrandbits(64):016x}-4000-8000-{index // 8:012x}",
        ]
        for index in range(count)
    ]


def write_files(folder: Path, rows: list[list[str]]) -> dict[str, Path]:
    """Write the rows as CSV and as JSON lines."""
    files = {"CSV": folder / "shop.csv", "JSON lines": folder / "shop.jsonl"}
    files["CSV"].write_text("\n".join([HEADER, *(",".join(row) for row in rows)]) + "\n")
    names = HEADER.split(",")
    with files["JSON lines"].open("w") as file:
        for row in rows:
            values: dict[str, object] = dict(zip(names, row, strict=True))
            values |= {"price": float(row[6]), "product_id": int(row[2]), "user_id": int(row[7])}
            file.write(json.dumps(values) + "\n")
    return files


def cpu_seconds(command: list[str], file: Path) -> float:
    """Return the processor time of one replay."""
    with tempfile.TemporaryDirectory() as data_dir:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*command, "replay", str(file), "--mapping", "rees46", "--speed", "max", "--no-kafka"],
            env={**os.environ, "DATA_DIR": data_dir, "LOG_LEVEL": "error"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, help="command of the one")
    parser.add_argument("--after", required=True, help="command of the other")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    commands = {"before": shlex.split(options.before), "after": shlex.split(options.after)}
    with tempfile.TemporaryDirectory() as folder:
        rows = shop_rows(options.rows)
        few = write_files(Path(folder), rows[:1])
        starts = {name: min(cpu_seconds(command, few["CSV"]) for _ in range(3)) for name, command in commands.items()}
        for kind, file in write_files(Path(folder), rows).items():
            times: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(options.rounds):
                for name, command in commands.items():
                    times[name].append(cpu_seconds(command, file) - starts[name])
            rate = {name: options.rows / median(each) for name, each in times.items()}
            print(
                f"{kind:12}  before {rate['before']:>9,.0f} rows/s   after {rate['after']:>9,.0f} rows/s   "
                f"ratio {rate['after'] / rate['before']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What a service says of its health, and what is read from that."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import time

import clickwatch_service.healthy
from clickwatch_service.health import HealthFile
from clickwatch_service.healthy import health_file, troubles
from clickwatch_service.standing import PartStanding, Standing

WORKS = PartStanding(Standing.WORKS, 1, 60, 3, None)
STANDS = PartStanding(Standing.STANDS_STILL, 200, 60, 3, None)
WAITS = PartStanding(Standing.WAITS, 9, 60, 3, "Kafka")
FRESH = timedelta(seconds=30)


def test_a_service_whose_parts_all_work_has_no_troubles(tmp_path: Path) -> None:
    HealthFile(tmp_path, "some", FRESH).write({"lake": WORKS, "alerts": WORKS})

    assert troubles(health_file(tmp_path, "some"), time()) == []


def test_a_part_that_waits_or_stands_still_is_named_with_the_reason(tmp_path: Path) -> None:
    HealthFile(tmp_path, "some", FRESH).write({"lake": STANDS, "alerts": WORKS, "status": WAITS})

    assert troubles(health_file(tmp_path, "some"), time()) == [
        "lake has not moved for 200 s while work waits for it",
        "status waits for Kafka, which does not answer",
    ]


def test_old_words_and_none_at_all_are_troubles(tmp_path: Path) -> None:
    file = health_file(tmp_path, "some")
    assert troubles(file, time()) == ["has not said yet how it does"]

    HealthFile(tmp_path, "some", FRESH).write({"lake": WORKS})

    assert troubles(file, time() + 100) == ["has not said for 100 s how it does"]


def test_a_container_asks_by_a_command_that_needs_no_package(tmp_path: Path) -> None:
    def ask() -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", clickwatch_service.healthy.__file__, "some"],
            env={**os.environ, "DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert ask() == (1, "has not said yet how it does\n")

    HealthFile(tmp_path, "some", FRESH).write({"lake": WORKS})

    assert ask() == (0, "")

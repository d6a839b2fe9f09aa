"""What a service says of its health: a file in DATA_DIR, for `healthy.py` and for people at a terminal."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from time import time

from clickwatch_service.healthy import health_file
from clickwatch_service.standing import PartStanding


class HealthFile:
    """The file of one service."""

    def __init__(self, data_dir: Path, service: str, fresh_for: timedelta) -> None:
        """Write for `service`; what was written longer ago than `fresh_for` counts as nothing."""
        self._file = health_file(data_dir, service)
        self._fresh_seconds = fresh_for.total_seconds()

    def write(self, parts: Mapping[str, PartStanding]) -> None:
        """Replace what the file says."""
        word = {
            "pid": os.getpid(),
            "written_at": time(),
            "fresh_seconds": self._fresh_seconds,
            "parts": {
                name: {"standing": part.standing, "why": part.why, "seconds": round(part.seconds, 1)}
                for name, part in parts.items()
            },
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".unfinished")
        draft.write_text(json.dumps(word))
        draft.replace(self._file)

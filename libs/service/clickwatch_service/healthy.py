"""A container's health: `python healthy.py SERVICE`, with nothing but the standard library.

Status 0 where the service has said lately that each of its parts works, else 1 with a line for each that does not.
"""

import json
import os
import sys
from pathlib import Path
from time import time


def health_file(data_dir: Path, service: str) -> Path:
    """Return the file in which a service says how it does."""
    return data_dir / "health" / f"{service}.json"


def troubles(file: Path, now: float) -> list[str]:
    """Return what is wrong with the service of a file, at `now` in seconds since 1970; nothing where all works."""
    try:
        word = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return ["has not said yet how it does"]
    age = now - word["written_at"]
    if age > word["fresh_seconds"]:
        return [f"has not said for {age:.0f} s how it does"]
    return [f"{name} {part['why']}" for name, part in word["parts"].items() if part["standing"] != "works"]


if __name__ == "__main__":
    found = troubles(health_file(Path(os.environ.get("DATA_DIR", "var/data")), sys.argv[1]), time())
    for line in found:
        print(line)
    sys.exit(bool(found))

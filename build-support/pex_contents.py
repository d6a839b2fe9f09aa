"""Prints what a packed PEX holds, a line `name==version` for each distribution."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def contents(wheels: Iterable[str]) -> list[str]:
    """Return the requirements that pin what some wheels are, by their files' names."""
    pins = set()
    for wheel in wheels:
        # NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl, with no other hyphen in it.
        name, version, *_ = wheel.split("-")
        pins.add(f"{name.replace('_', '-').lower()}=={version}")
    return sorted(pins)


if __name__ == "__main__":
    info = json.loads((Path(sys.argv[1]) / "PEX-INFO").read_text("utf-8"))
    print("\n".join(contents(info["distributions"])))

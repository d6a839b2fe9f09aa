"""Refuses a change to a service that moves neither its version nor its changelog; see release.sh."""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def version_in(build: str) -> tuple[int, ...] | None:
    """Return the version a service's BUILD states; None where it states none."""
    stated = re.search(r'\bversion="(\d+(?:\.\d+)+)"', build)
    return tuple(int(part) for part in stated[1].split(".")) if stated else None


def complaints(root: Path, since: str, services: list[str]) -> Iterator[str]:
    """Yield a line for each service that may not be released as it is.

    Args:
        root: the working tree.
        since: the commit that the change goes on top of.
        services: names of those whose image the change touches.
    """
    for service in services:
        folder = f"services/{service}"
        now = version_in((root / folder / "BUILD").read_text("utf-8"))
        if now is None:
            yield f'{folder}/BUILD states no version: give service(…) one, such as version="0.1.0"'
            continue
        before = version_in(_file_at(root, since, f"{folder}/BUILD"))
        text = ".".join(map(str, now))
        if before is not None and now <= before:
            yield f"{folder}/BUILD: the change touches {service}, whose version is still {text}: raise it"
        changelog = root / folder / "CHANGELOG.md"
        entries = changelog.read_text("utf-8") if changelog.exists() else ""
        if not re.search(rf"^## {re.escape(text)}\b", entries, re.MULTILINE):
            yield f"{folder}/CHANGELOG.md has no entry for {text}: say under '## {text}' what changed and why"


def _file_at(root: Path, commit: str, path: str) -> str:
    shown = subprocess.run(["git", "show", f"{commit}:{path}"], cwd=root, capture_output=True, text=True, check=False)
    return shown.stdout


def main() -> int:
    """Print the complaints; the status is 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since", required=True)
    parser.add_argument("services", nargs="*")
    given = parser.parse_args()
    lines = list(complaints(Path.cwd(), given.since, given.services))
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

"""The made-up schema changes of schema_changes/, each with what is to be said of it."""

import json
from dataclasses import dataclass
from pathlib import Path

from clickwatch_schemas.avro_types import Record, parse_record

_FOLDER = Path(__file__).parent / "schema_changes"
MUST_FAIL, LINT_FAIL, ACCEPTED = "must_fail", "lint_fail", "accepted"


@dataclass(frozen=True)
class Change:
    """A third version of the order schema.

    Attributes:
        name: the file's.
        text: the schema.
        refused: the lines expected.
    """

    name: str
    text: str
    refused: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def changes(group: str) -> list[Change]:
    """Return the changes of one folder."""
    found = []
    for file in sorted((_FOLDER / group).glob("*.json")):
        node = json.loads(file.read_text("utf-8"))
        found.append(Change(file.stem, json.dumps(node["schema"]), tuple(node.get("refused", ()))))
    assert found, f"no changes in {_FOLDER / group}"
    return found


def released_texts() -> dict[str, str]:
    """Return the two released versions of the order schema."""
    return {version: (_FOLDER / "released" / f"{version}.avsc").read_text("utf-8") for version in ("v1", "v2")}


def released() -> dict[str, Record]:
    """Return the same, parsed."""
    return {version: parse_record(text) for version, text in released_texts().items()}

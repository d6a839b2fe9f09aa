"""The committed schemas keep the rules; `lint`, `check` and `docs --check` say so too."""

import json
from pathlib import Path

import pytest
from clickwatch_events.schemas import NAMES
from clickwatch_schemas.catalogue import catalogue
from clickwatch_schemas.compatibility import broken_full_transitive
from clickwatch_schemas.folder import SchemaFolder
from clickwatch_schemas.golden import golden_lines
from clickwatch_schemas.lint import complaints

FOLDER = SchemaFolder(Path(__file__).parents[3] / "schemas")
VERSIONS = [(name, version) for name in FOLDER.subjects() for version in FOLDER.versions(name)]


def test_no_released_version_was_edited_removed_or_added_by_hand() -> None:
    assert FOLDER.tampered() == []


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_every_released_version_keeps_the_rules(name: str, version: int) -> None:
    earlier = [(number, FOLDER.record(name, number)) for number in FOLDER.versions(name) if number < version]

    assert complaints(FOLDER.record(name, version), earlier) == []


@pytest.mark.parametrize("name", FOLDER.subjects())
def test_every_released_version_reads_every_other(name: str) -> None:
    released = FOLDER.released(name)

    for version, schema in released.items():
        assert broken_full_transitive(released, version, schema) == []


@pytest.mark.parametrize("name", FOLDER.subjects())
def test_a_draft_keeps_the_rules_and_breaks_nobody(name: str) -> None:
    draft = FOLDER.draft(name)
    if draft is None:
        return
    released, schema = FOLDER.released(name), FOLDER.record(name, draft)

    assert complaints(schema, [(int(version[1:]), record) for version, record in released.items()]) == []
    assert broken_full_transitive(released, f"v{draft}", schema) == []


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_golden_bytes_are_what_apache_avro_writes(name: str, version: int) -> None:
    lines = FOLDER.golden(name, version).read_text("utf-8").splitlines()

    assert lines == list(golden_lines(FOLDER.text(name, version)))
    assert all(json.loads(line)["avro"] for line in lines)


def test_the_catalogue_is_up_to_date() -> None:
    assert (FOLDER.root / "CATALOGUE.md").read_text("utf-8") == catalogue(FOLDER)


def test_every_subject_with_a_release_is_registered_on_deploy() -> None:
    assert sorted(NAMES) == [name for name in FOLDER.subjects() if FOLDER.versions(name)]

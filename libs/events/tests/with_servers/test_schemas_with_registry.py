"""The workflow against real registries: our offline verdict is theirs, and a lost one comes back with its ids."""

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx2
import pytest
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import ALERTS, EVENTS, released_versions, schema_text
from clickwatch_jars.java import find_java
from clickwatch_schemas.__main__ import app
from clickwatch_schemas.avro_types import parse_record
from clickwatch_schemas.compatibility import broken, broken_full_transitive
from clickwatch_servers.ports import free_port
from clickwatch_servers.registry import registry_program, registry_url, start_registry, wait_for_registry
from hypothesis import HealthCheck, Phase, given, settings
from schema_fixtures import ACCEPTED, LINT_FAIL, MUST_FAIL, changes, released_texts
from schema_strategies import schemas_and_changes
from typer.testing import CliRunner

CHANGES_EACH = 6


class Judge:
    """Asks a registry, by the compatibility endpoint of Confluent's API."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def subject(self, released: Iterable[str], level: str) -> str:
        """Return a new subject with these versions."""
        subject = f"judged-{uuid.uuid4()}"
        for text in released:
            self._http.post(f"/subjects/{subject}/versions", json={"schema": text}).raise_for_status()
        self._http.put(f"/config/{subject}", json={"compatibility": level}).raise_for_status()
        return subject

    def accepts(self, subject: str, text: str) -> bool:
        """Tell whether the registry would take a schema as the next version, by the subject's level."""
        answer = self._http.post(f"/compatibility/subjects/{subject}/versions", json={"schema": text})
        if answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT:
            return False  # it cannot even be compared, such as a field that by its aliases is two
        answer.raise_for_status()
        return bool(answer.json()["is_compatible"])


@pytest.fixture(scope="module")
def judge(schema_registry_url: str) -> Iterator[Judge]:
    with httpx2.Client(base_url=schema_registry_url, timeout=60) as http:
        yield Judge(http)


@pytest.fixture(scope="module")
def order_subject(judge: Judge) -> str:
    return judge.subject(released_texts().values(), "FULL_TRANSITIVE")


@pytest.fixture
def empty_registry(tmp_path: Path) -> Iterator[str]:
    """A second registry that knows nothing."""
    java, port = find_java(21), free_port()
    registry = start_registry(tmp_path / "empty", port, java, registry_program(java), tmp_path / "empty.log")
    try:
        wait_for_registry(registry, port, timeout_seconds=180)
        yield registry_url(port)
    finally:
        registry.kill()


def run(*arguments: str) -> str:
    """Run the command line and return what it prints."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_lost_registry_comes_back_with_the_same_ids(
    schema_registry_url: str, empty_registry: str, tmp_path: Path, judge: Judge
) -> None:
    # So that ids are none a new registry would give by itself.
    judge.subject(released_texts().values(), "FULL_TRANSITIVE")
    dump, ids_file = tmp_path / "registry.json", tmp_path / "ids.json"
    run("register", "--registry", schema_registry_url, "--ids", str(ids_file))
    run("export", str(dump), "--registry", schema_registry_url)

    run("restore", str(dump), "--registry", empty_registry)

    ids = json.loads(ids_file.read_text("utf-8"))
    restored = Registry(empty_registry)
    for name in (EVENTS, ALERTS):
        assert {f"v{version}": number for version, number in restored.ids(name).items()} == ids[f"{name}-value"]
        assert {f"v{version}": number for version, number in restored.register(name).items()} == ids[f"{name}-value"]
    assert json.loads(restored.schema(restored.id_of(EVENTS, 2))) == json.loads(schema_text(EVENTS, 2))
    assert "already" in run("restore", str(dump), "--registry", empty_registry)
    # The next schema gets an id that no message carries yet.
    newer = json.loads(schema_text(EVENTS, 2))
    newer["fields"].append({"name": "coupon", "type": ["null", "string"], "default": None})
    answer = httpx2.post(
        f"{empty_registry}/subjects/{EVENTS}-value/versions", json={"schema": json.dumps(newer)}, timeout=60
    )
    assert answer.json()["id"] not in [
        v["id"] for s in json.loads(dump.read_text("utf-8")).values() for v in s["versions"]
    ]


def test_check_asks_the_registry_for_its_verdict_and_its_level(schema_registry_url: str) -> None:
    schemas = Path(__file__).parents[4] / "schemas"
    run("register", "--registry", schema_registry_url)

    said = run("check", "--registry", schema_registry_url, "--folder", str(schemas))

    assert f"{EVENTS}: the registry at {schema_registry_url} takes v{released_versions(EVENTS)[-1]}" in said


@pytest.mark.parametrize("group", [MUST_FAIL, LINT_FAIL, ACCEPTED])
def test_the_registry_judges_every_fixture_as_check_does(judge: Judge, order_subject: str, group: str) -> None:
    verdicts = {change.name: judge.accepts(order_subject, change.text) for change in changes(group)}

    wrong = [name for name, accepted in verdicts.items() if accepted is (group == MUST_FAIL)]
    assert wrong == []


def test_the_registry_judges_records_in_themselves_as_check_does(judge: Judge) -> None:
    def tree(*more: dict[str, object]) -> str:
        left = {"name": "left", "type": ["null", "Tree"], "default": None}
        return json.dumps({"type": "record", "name": "Tree", "fields": [left, *more]})

    old, fits = tree(), tree({"name": "size", "type": "int", "default": 0})
    breaks = tree({"name": "size", "type": "int"})
    subject = judge.subject([old], "FULL_TRANSITIVE")

    for text, accepted in ((fits, True), (breaks, False)):
        assert judge.accepts(subject, text) is accepted
        assert (broken_full_transitive({"v1": parse_record(old)}, "v2", parse_record(text)) == []) is accepted


def test_the_registry_judges_generated_changes_as_check_does(judge: Judge) -> None:
    verdicts: list[tuple[bool, bool]] = []

    # Derandomized: the same pairs each time, also where no CI profile says so. Not shrunk: each try asks the registry.
    @settings(
        max_examples=90,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schemas_and_changes(CHANGES_EACH))
    def agree(pair: tuple[str, list[str]]) -> None:
        old_text, changed = pair
        backward, forward = (judge.subject([old_text], level) for level in ("BACKWARD", "FORWARD"))
        old = parse_record(old_text)
        for text in changed:
            new = parse_record(text)
            ours = (not broken(new, old, "new", "old"), not broken(old, new, "old", "new"))
            theirs = (judge.accepts(backward, text), judge.accepts(forward, text))
            assert ours == theirs, f"(new reads old, old reads new): ours {ours}, theirs {theirs}\n{old_text}\n{text}"
            verdicts.append(ours)

    agree()

    assert len(verdicts) >= 500
    # A test in which nearly all pairs break, or none, would show little.
    assert all(verdicts.count(kind) >= 25 for kind in [(True, True), (True, False), (False, True), (False, False)])

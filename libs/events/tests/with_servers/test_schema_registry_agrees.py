"""Our offline verdict and a real registry's are the same. Needs a registry (schema_registry_url)."""

import uuid
from collections.abc import Iterable, Iterator

import httpx2
import pytest
from clickwatch_schemas.avro_types import parse_record
from clickwatch_schemas.compatibility import broken
from hypothesis import HealthCheck, Phase, given, settings
from schema_fixtures import ACCEPTED, LINT_FAIL, MUST_FAIL, changes, released_texts
from schema_strategies import schemas_and_changes

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


@pytest.mark.parametrize("group", [MUST_FAIL, LINT_FAIL, ACCEPTED])
def test_the_registry_judges_every_fixture_as_check_does(judge: Judge, order_subject: str, group: str) -> None:
    verdicts = {change.name: judge.accepts(order_subject, change.text) for change in changes(group)}

    wrong = [name for name, accepted in verdicts.items() if accepted is (group == MUST_FAIL)]
    assert wrong == []


def test_the_registry_judges_generated_changes_as_check_does(judge: Judge) -> None:
    verdicts: list[tuple[bool, bool]] = []

    # Derandomized: the same pairs each time, also where no CI profile says so. Not shrunk: each try asks the registry.
    @settings(
        max_examples=110,
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

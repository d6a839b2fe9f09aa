import pytest
from clickwatch_schemas.avro_types import parse_record
from clickwatch_schemas.compatibility import broken_full_transitive
from clickwatch_schemas.lint import complaints
from schema_fixtures import ACCEPTED, LINT_FAIL, MUST_FAIL, Change, changes, released


def judged(change: Change) -> list[str]:
    return [str(broken) for broken in broken_full_transitive(released(), "v3", parse_record(change.text))]


def linted(change: Change) -> list[str]:
    earlier = [(int(version[1:]), schema) for version, schema in released().items()]
    return [str(complaint) for complaint in complaints(parse_record(change.text), earlier)]


@pytest.mark.parametrize("change", changes(MUST_FAIL), ids=str)
def test_a_change_that_breaks_a_reader_is_refused_in_words(change: Change) -> None:
    assert judged(change) == list(change.refused)


@pytest.mark.parametrize("change", changes(LINT_FAIL), ids=str)
def test_what_a_registry_would_let_pass_is_caught_by_lint(change: Change) -> None:
    assert judged(change) == []
    assert linted(change) == list(change.refused)


@pytest.mark.parametrize("change", changes(ACCEPTED), ids=str)
def test_a_change_that_breaks_nobody_is_accepted(change: Change) -> None:
    assert judged(change) == []

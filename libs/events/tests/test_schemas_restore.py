"""Restoring by mode IMPORT, which Confluent's own registry has; here a stand-in that keeps its documented rules."""

import json
from typing import Any

import httpx2
import pytest
from clickwatch_schemas.registry_copy import RegistryCopy, Subject, Version, from_json, to_json
from clickwatch_service import UserError

SUBJECTS = [
    Subject("a-value", "FULL_TRANSITIVE", (Version(1, 41, "AVRO", '"string"'), Version(2, 57, "AVRO", '"bytes"'))),
    Subject("b-value", None, (Version(1, 41, "AVRO", '"string"'),)),
]


class Confluent:
    """Gives ids of its own, unless the subject is in mode IMPORT."""

    def __init__(self) -> None:
        self.modes: dict[str, str] = {}
        self.levels: dict[str, str] = {}
        self.versions: dict[str, dict[int, dict[str, Any]]] = {}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content) if request.content else {}
        match request.method, request.url.path.strip("/").split("/"):
            case "PUT", ["mode", subject]:
                self.modes[subject] = body["mode"]
                return httpx2.Response(200, json=body)
            case "PUT", ["config", subject]:
                self.levels[subject] = body["compatibility"]
                return httpx2.Response(200, json=body)
            case "GET", ["config", subject]:
                level = self.levels.get(subject)
                return httpx2.Response(200 if level else 404, json={"compatibilityLevel": level})
            case "POST", ["subjects", subject, "versions"]:
                if self.modes.get(subject) != "IMPORT":
                    return httpx2.Response(422, json={"message": "not in import mode"})
                self.versions.setdefault(subject, {})[body["version"]] = body
                return httpx2.Response(200, json={"id": body["id"]})
            case "GET", ["subjects"]:
                return httpx2.Response(200, json=list(self.versions))
            case "GET", ["subjects", subject, "versions"]:
                return httpx2.Response(200, json=list(self.versions[subject]))
            case "GET", ["subjects", subject, "versions", number]:
                return httpx2.Response(200, json=self.versions[subject][int(number)])
            case "GET", ["schemas", "ids", number, "schema"]:
                found = (v["schema"] for vs in self.versions.values() for v in vs.values() if v["id"] == int(number))
                return httpx2.Response(200, text=next(found))
        return httpx2.Response(404)


def copy_of(registry: Confluent) -> RegistryCopy:
    return RegistryCopy("http://registry:8081", httpx2.Client(transport=httpx2.MockTransport(registry.answer)))


def test_ids_and_levels_come_back_by_mode_import() -> None:
    registry = Confluent()

    assert copy_of(registry).restore(SUBJECTS)

    assert copy_of(registry).subjects() == SUBJECTS
    assert set(registry.modes.values()) == {"READWRITE"}


def test_restoring_twice_changes_nothing() -> None:
    registry = Confluent()
    copy_of(registry).restore(SUBJECTS)

    assert not copy_of(registry).restore(SUBJECTS)


def test_a_registry_with_something_else_is_left_alone() -> None:
    registry = Confluent()
    copy_of(registry).restore(SUBJECTS[1:])

    with pytest.raises(UserError, match="is not empty"):
        copy_of(registry).restore(SUBJECTS)


def test_a_registry_that_ignores_the_ids_is_called_out() -> None:
    class Ignorant(Confluent):
        def answer(self, request: httpx2.Request) -> httpx2.Response:
            if request.method == "POST":
                body = json.loads(request.content) | {"id": 1}
                request = httpx2.Request("POST", request.url, json=body)
            return super().answer(request)

    with pytest.raises(UserError, match="gave other ids"):
        copy_of(Ignorant()).restore(SUBJECTS)


def test_a_registry_that_lists_its_subjects_by_pages_is_read_whole() -> None:
    class Paged(Confluent):
        def answer(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.path == "/subjects":
                first = int(request.url.params["offset"])
                return httpx2.Response(200, json=list(self.versions)[first : first + 1])
            return super().answer(request)

    registry = Paged()
    copy_of(registry).restore(SUBJECTS)

    assert copy_of(registry).subjects() == SUBJECTS


def test_an_export_is_read_back_as_it_was() -> None:
    assert from_json(to_json(SUBJECTS)) == SUBJECTS


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"level": null}}'])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no export"):
        from_json(text)

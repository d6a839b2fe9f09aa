"""A registry's subjects with their ids, as one file: to look at, and to bring back after a disaster.

Messages name schemas by id, so a registry that hands out other ids makes every topic unreadable.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
from clickwatch_service import UserError

_APICURIO = "/apis/ccompat/"
_FOUND_OR_NOT = (httpx2.codes.OK, httpx2.codes.NOT_FOUND)


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        version: its number in the subject.
        id: what messages name it by.
        kind: AVRO, JSON or PROTOBUF.
        schema: its text.
    """

    version: int
    id: int
    kind: str
    schema: str


@dataclass(frozen=True)
class Subject:
    """A subject.

    Attributes:
        level: its compatibility level; None where the registry's own holds.
        versions: oldest first.
    """

    name: str
    level: str | None
    versions: tuple[Version, ...]


class RegistryCopy:
    """Reads and fills a registry through Confluent's API, and Apicurio's own where that cannot."""

    def __init__(self, url: str, http: httpx2.Client | None = None) -> None:
        """Talk to the Confluent-compatible API at `url`."""
        self._url = url.rstrip("/")
        self._http = http or httpx2.Client(timeout=60)

    def subjects(self) -> list[Subject]:
        """Return everything registered, by name.

        Raises:
            UserError: the registry does not answer, or a schema refers to another.
        """
        return [self._subject(name) for name in sorted(self._names())]

    def takes(self, subject: str, text: str) -> bool | None:
        """Tell whether a subject would take a schema as its next version; None where there is no such subject."""
        if (
            self._send("GET", f"/subjects/{subject}/versions", None, _FOUND_OR_NOT).status_code
            == httpx2.codes.NOT_FOUND
        ):
            return None
        path = f"/compatibility/subjects/{subject}/versions"
        answer = self._send("POST", path, {"schema": text}, (httpx2.codes.OK, httpx2.codes.UNPROCESSABLE_CONTENT))
        return answer.status_code == httpx2.codes.OK and bool(answer.json()["is_compatible"])

    def level(self, subject: str) -> str | None:
        """Return a subject's own compatibility level, if it has one."""
        answer = self._send("GET", f"/config/{subject}", None, _FOUND_OR_NOT)
        level = answer.json().get("compatibilityLevel") if answer.status_code == httpx2.codes.OK else None
        return str(level) if level else None

    def restore(self, subjects: list[Subject]) -> bool:
        """Fill an empty registry, ids and levels included. Return False where it holds just this already.

        Raises:
            UserError: the registry holds something else, does not answer, or gave other ids.
        """
        present = self.subjects()
        if _ids(present) == _ids(subjects):
            return False
        if present:
            raise UserError(
                f"the registry at {self._url} is not empty ({len(present)} subjects, such as {present[0].name}): "
                "ids are restored into an empty registry alone"
            )
        if _APICURIO in self._url:
            self._import_by_apicurio(subjects)
        else:
            self._import_by_mode(subjects)
        if _ids(self.subjects()) != _ids(subjects):
            raise UserError(f"the registry at {self._url} gave other ids than the export has: do not use it")
        return True

    def _names(self) -> list[str]:
        """Return the names of all subjects: Apicurio lists no more than 1,000 at once, others know no pages."""
        names: dict[str, None] = {}
        while page := [name for name in self._get(f"/subjects?offset={len(names)}&limit=1000") if name not in names]:
            names |= dict.fromkeys(page)
        return list(names)

    def _subject(self, name: str) -> Subject:
        versions = []
        for number in sorted(self._get(f"/subjects/{name}/versions")):
            found = self._get(f"/subjects/{name}/versions/{number}")
            if found.get("references"):
                raise UserError(f"{name} version {number} refers to other schemas, which this copy cannot hold")
            # As it was registered; the version's own answer may be laid out anew.
            text = self._send("GET", f"/schemas/ids/{found['id']}/schema").text
            versions.append(Version(number, found["id"], found.get("schemaType", "AVRO"), text))
        return Subject(name, self.level(name), tuple(versions))

    def _import_by_mode(self, subjects: list[Subject]) -> None:
        """Fill Confluent's registry, which takes ids in its mode IMPORT."""
        for subject in subjects:
            self._send("PUT", f"/mode/{subject.name}", {"mode": "IMPORT"})
            for version in subject.versions:
                body = {
                    "schema": version.schema,
                    "schemaType": version.kind,
                    "version": version.version,
                    "id": version.id,
                }
                self._send("POST", f"/subjects/{subject.name}/versions", body)
            self._send("PUT", f"/mode/{subject.name}", {"mode": "READWRITE"})
            if subject.level:
                self._send("PUT", f"/config/{subject.name}", {"compatibility": subject.level})

    def _import_by_apicurio(self, subjects: list[Subject]) -> None:
        """Fill Apicurio by its own import: its Confluent API takes mode IMPORT and then ignores the ids."""
        url = self._url.split(_APICURIO)[0] + "/apis/registry/v3/admin/import"
        headers = {
            "Content-Type": "application/zip",
            "X-Registry-Preserve-GlobalId": "true",
            "X-Registry-Preserve-ContentId": "true",
        }
        try:
            answer = self._http.post(url, content=apicurio_archive(subjects), headers=headers)
        except httpx2.HTTPError as error:
            raise UserError(f"the registry at {url} does not answer: {error}") from None
        if answer.is_error:
            raise UserError(f"the registry at {url} refuses the import: {answer.status_code} {answer.text[:300]}")

    # What the API answers is JSON of many shapes.
    def _get(self, path: str):  # type: ignore[no-untyped-def]
        return self._send("GET", path).json()

    def _send(
        self, method: str, path: str, body: object = None, accepted: tuple[int, ...] = (httpx2.codes.OK,)
    ) -> httpx2.Response:
        try:
            answer = self._http.request(method, self._url + path, json=body)
        except httpx2.HTTPError as error:
            raise UserError(
                f"the schema registry at {self._url} does not answer ({error}): start it or set SCHEMA_REGISTRY_URL"
            ) from None
        if answer.status_code not in accepted:
            raise UserError(
                f"the schema registry at {self._url} answers {method} {path} with {answer.status_code}: "
                f"{answer.text[:300]}"
            )
        return answer


def to_json(subjects: list[Subject]) -> str:
    """Return an export's text."""
    return json.dumps({subject.name: _subject_node(subject) for subject in subjects}, indent=2) + "\n"


def from_json(text: str) -> list[Subject]:
    """Return what an export holds.

    Raises:
        UserError: it is no export.
    """
    try:
        return [
            Subject(
                name,
                node["level"],
                tuple(Version(v["version"], v["id"], v["kind"], v["schema"]) for v in node["versions"]),
            )
            for name, node in json.loads(text).items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"this is no export of a registry ({error!r}): make one with `export`") from None


def apicurio_archive(subjects: list[Subject]) -> bytes:
    """Return the export as a ZIP that Apicurio Registry 3 imports.

    What ccompat calls a schema's id is a content id there.
    """
    out = io.BytesIO()
    who = {"owner": "", "createdOn": 0, "modifiedBy": "", "modifiedOn": 0, "groupId": None}
    # Apicurio numbers each version across subjects too; nothing of ours looks at that number.
    global_id = 0
    with zipfile.ZipFile(out, "w") as archive:

        def add(name: str, node: Mapping[str, object]) -> None:
            archive.writestr(name, json.dumps(node))

        add(
            "manifest-1970-01-01T00:00:00Z.Manifest.json",
            {
                "systemVersion": "3.3.3",
                "systemName": "Apicurio Registry (SQL)",
                "systemDescription": "",
                "exportVersion": "3.0",
                "exportedOn": 0,
                "exportedBy": "",
                "dbVersion": "109",
            },
        )
        contents = {version.id: version for subject in subjects for version in subject.versions}
        for version in contents.values():
            digest = hashlib.sha256(version.schema.encode()).hexdigest()
            content = {
                "contentId": version.id,
                "canonicalHash": None,
                "contentHash": digest,
                "artifactType": version.kind,
                "contentType": "application/json",
                "serializedReferences": None,
            }
            add(f"content/{digest}.Content.json", content)
            archive.writestr(f"content/{digest}.Content.data", version.schema)
        for subject in subjects:
            here, artifact = f"groups/default/artifacts/{subject.name}", who | {"artifactId": subject.name}
            add(f"{here}/MetaData.Artifact.json", artifact | {"artifactType": subject.versions[0].kind})
            for version in subject.versions:
                global_id += 1
                numbers = {
                    "globalId": global_id,
                    "version": str(version.version),
                    "versionOrder": version.version,
                    "state": "ENABLED",
                    "contentId": version.id,
                }
                add(f"{here}/versions/{version.version}.ArtifactVersion.json", artifact | numbers)
            names = [str(version.version) for version in subject.versions]
            branch = {"branchId": "latest", "description": None, "systemDefined": True, "versions": names}
            add(f"{here}/branches/latest.Branch.json", artifact | branch)
            if subject.level:
                rule = {
                    "groupId": None,
                    "artifactId": subject.name,
                    "type": "COMPATIBILITY",
                    "configuration": subject.level,
                }
                add(f"{here}/rules/COMPATIBILITY.ArtifactRule.json", rule)
    return out.getvalue()


def _subject_node(subject: Subject) -> dict[str, object]:
    versions = [{"version": v.version, "id": v.id, "kind": v.kind, "schema": v.schema} for v in subject.versions]
    return {"level": subject.level, "versions": versions}


def _ids(subjects: list[Subject]) -> dict[str, dict[int, int]]:
    return {subject.name: {version.version: version.id for version in subject.versions} for subject in subjects}

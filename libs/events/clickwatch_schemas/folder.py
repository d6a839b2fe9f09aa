"""The folder of schemas: released versions, which never change, and at most one draft a subject.

    schemas/released.json                       fingerprints of all released files
    schemas/<subject>/vN.avsc                   a released version
    schemas/<subject>/golden/vN.jsonl           its golden bytes
    schemas/<subject>/draft/vN.avsc             the next version, as long as it may change

A draft lies apart so that nothing ships or registers it before its release.
"""

import hashlib
import json
import re
from pathlib import Path

from clickwatch_service import UserError

from clickwatch_schemas.avro_types import NotAvro, Record, parse_record
from clickwatch_schemas.golden import golden_lines

_VERSION = re.compile(r"v([1-9][0-9]*)\.avsc")
_SUBJECT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class SchemaFolder:
    """Reads and writes the folder of schemas."""

    def __init__(self, root: Path) -> None:
        """Work on the folder at `root`.

        Raises:
            UserError: it is no folder of schemas.
        """
        self.root = root
        self._fingerprints = root / "released.json"
        if not self._fingerprints.is_file():
            raise UserError(f"{root} holds no released.json: run in the repository's root or give --folder")

    def subjects(self) -> list[str]:
        """Return the subjects that have a version, released or draft, by name."""
        return sorted({file.parent.name for file in self.root.glob("*/v*.avsc")} | set(self._drafts()))

    def versions(self, subject: str) -> list[int]:
        """Return the numbers of the released versions, oldest first."""
        return sorted(_number(file) for file in (self.root / subject).glob("v*.avsc"))

    def draft(self, subject: str) -> int | None:
        """Return the number of the version in the making, if there is one.

        Raises:
            UserError: it is not the number after the last released one.
        """
        files = self._drafts().get(subject, [])
        if not files:
            return None
        expected = max(self.versions(subject), default=0) + 1
        if [_number(file) for file in files] != [expected]:
            names = ", ".join(file.name for file in files)
            raise UserError(f"{self.root / subject / 'draft'} holds {names}: must hold v{expected}.avsc alone")
        return expected

    def path(self, subject: str, version: int) -> Path:
        """Return the file of a version, released or draft.

        Raises:
            UserError: there is none.
        """
        name = f"v{version}.avsc"
        for file in (self.root / subject / name, self.root / subject / "draft" / name):
            if file.is_file():
                return file
        known = ", ".join(self.subjects())
        raise UserError(f"{subject} has no v{version} in {self.root} (subjects are {known})")

    def text(self, subject: str, version: int) -> str:
        """Return a version's text."""
        return self.path(subject, version).read_text("utf-8")

    def record(self, subject: str, version: int) -> Record:
        """Return a version, parsed.

        Raises:
            NotAvro: it is no Avro schema; the message names the file.
        """
        return parsed_file(self.path(subject, version))

    def released(self, subject: str) -> dict[str, Record]:
        """Return the released versions by name (`v1`), oldest first."""
        return {f"v{version}": self.record(subject, version) for version in self.versions(subject)}

    def new(self, subject: str) -> Path:
        """Copy the last version to the next number and return the draft's path.

        The first version of a new subject is a frame to fill in.

        Raises:
            UserError: there is a draft already, or the subject's name does not fit a topic.
        """
        if not _SUBJECT.fullmatch(subject):
            raise UserError(
                f"{subject!r} is no name for a subject: use lower case, digits and dashes, as in order-events"
            )
        if (draft := self.draft(subject)) is not None:
            raise UserError(f"{self.path(subject, draft)} is in the making already: edit it, or delete it first")
        versions = self.versions(subject)
        text = self.text(subject, versions[-1]) if versions else _frame(subject)
        file = self.root / subject / "draft" / f"v{max(versions, default=0) + 1}.avsc"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def release(self, subject: str) -> list[Path]:
        """Make the draft a released version: from now on it never changes. Return the files written.

        Raises:
            UserError: there is no draft.
        """
        version = self.draft(subject)
        if version is None:
            raise UserError(f"{subject} has no draft to release: make one with `new {subject}`")
        text = self.text(subject, version)
        golden = self.golden(subject, version)
        golden.parent.mkdir(exist_ok=True)
        golden.write_text("".join(f"{line}\n" for line in golden_lines(text)), "utf-8")
        draft = self.path(subject, version)
        released = draft.parent.parent / draft.name
        draft.rename(released)
        if not any(draft.parent.iterdir()):
            draft.parent.rmdir()
        known = self._known()
        known.setdefault(subject, {})[f"v{version}"] = self._fingerprints_of(subject, version)
        self._fingerprints.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")
        return [released, golden, self._fingerprints]

    def golden(self, subject: str, version: int) -> Path:
        """Return the place of a version's golden bytes."""
        return self.root / subject / "golden" / f"v{version}.jsonl"

    def tampered(self) -> list[str]:
        """Return a line for each released file that was edited, removed or added by hand."""
        known = self._known()
        lines = []
        for subject in sorted({*known, *self.subjects()}):
            names = known.get(subject, {})
            for version in sorted({*(int(name[1:]) for name in names), *self.versions(subject)}):
                name, file = f"v{version}", self.root / subject / f"v{version}.avsc"
                if name not in names:
                    lines.append(f"{file} was never released: make versions with `new` and `release`, not by hand")
                elif not file.is_file():
                    lines.append(f"{file} was released and is gone: bring it back, topics still hold its events")
                else:
                    for what, path in (("schema", file), ("golden", self.golden(subject, version))):
                        if _fingerprint(path) != names[name][what]:
                            lines.append(f"{path} differs from what was released: undo the edit, use `new {subject}`")
        return lines

    def _fingerprints_of(self, subject: str, version: int) -> dict[str, str]:
        return {
            "schema": _fingerprint(self.path(subject, version)),
            "golden": _fingerprint(self.golden(subject, version)),
        }

    def _known(self) -> dict[str, dict[str, dict[str, str]]]:
        known: dict[str, dict[str, dict[str, str]]] = json.loads(self._fingerprints.read_text("utf-8"))
        return known

    def _drafts(self) -> dict[str, list[Path]]:
        drafts: dict[str, list[Path]] = {}
        for file in sorted(self.root.glob("*/draft/*.avsc")):
            drafts.setdefault(file.parent.parent.name, []).append(file)
        return drafts


def parsed_file(file: Path) -> Record:
    """Return the record of a schema file.

    Raises:
        NotAvro: it is no Avro schema; the message names the file.
        UserError: it cannot be read.
    """
    try:
        return parse_record(file.read_text("utf-8"))
    except NotAvro as error:
        raise NotAvro(f"{file}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None


def _number(file: Path) -> int:
    match = _VERSION.fullmatch(file.name)
    if match is None:
        raise UserError(f"{file} is no version: call it v1.avsc, v2.avsc, …")
    return int(match[1])


def _fingerprint(file: Path) -> str:
    """Return the SHA-256 of a file's text, whatever ends its lines."""
    try:
        return hashlib.sha256(file.read_text("utf-8").encode()).hexdigest()
    except FileNotFoundError:
        return "missing"


def _frame(subject: str) -> str:
    name = "".join(part.capitalize() for part in subject.split("-"))
    frame = {"type": "record", "name": name, "namespace": "clickwatch", "doc": "", "fields": []}
    return json.dumps(frame, indent=2) + "\n"

"""What we ask of a schema beyond being Avro, and beyond what a registry can judge.

A complaint is waived where it arises, with a reason, by a property that Avro ignores:

    {"name": "gift", …, "lint": {"waive": {"doc": "explained on the shop's page"}}}
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clickwatch_schemas.avro_types import (
    NO_DEFAULT,
    Enum,
    Field,
    Fixed,
    Node,
    Primitive,
    Record,
    Union,
    is_valid_default,
    logical_type,
    parts,
)

RULES = {
    "names": "records and enums in CamelCase with a namespace, fields and symbols in snake_case",
    "doc": "records, enums and fields say what they mean",
    "default": "a field that an earlier version lacks has a default; one that had a default keeps one",
    "default-type": "a default fits the type, of a union its first branch: some readers refuse another",
    "logical-type": "a logical type is one of Avro's, on the base type it belongs to",
    "meaning": "a field's logical type and the record's full name stay: Avro would accept the change, silently",
    "enum-default": "an enum has a default, else no symbol can ever be added",
    "pii": "a field that identifies a person says so: `pii` is `direct` or `indirect`",
    "waiver": "a waiver names a rule, gives a reason, and is needed",
}

_LOGICAL_BASES = {
    "uuid": ("string",),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "decimal": ("bytes", "fixed"),
    "duration": ("fixed",),
}
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_CAMEL = re.compile(r"([a-z][a-z0-9_]*\.)+[A-Z][A-Za-z0-9]*")
_PII = ("direct", "indirect")
_PERSON = re.compile(
    r"(.*_)?((user|customer|account|person|shopper|visitor|session|device|cookie)_?(id|key|hash)?"
    r"|e?mail|phone|(first|last|full|sur|user)_?name|address|street|ip|birth(day|date)|iban|user_agent"
    r"|latitude|longitude)(_.*)?"
)


@dataclass(frozen=True)
class Complaint:
    """One thing a schema does not live up to.

    Attributes:
        rule: a key of RULES.
        path: the field, empty for the record itself.
        message: what is wrong and what to do.
    """

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        where = f"field {self.path}: " if self.path else ""
        return f"{where}{self.message} [{self.rule}]"


def complaints(schema: Record, released: Sequence[tuple[int, Record]]) -> list[Complaint]:
    """Return what is wrong with a schema and not waived.

    Args:
        schema: the one judged.
        released: the versions before it, oldest first.
    """
    return list(_Lint().record(schema, [(f"v{number}", record) for number, record in released], ""))


class _Lint:
    """One walk over a schema."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def record(self, record: Record, earlier: list[tuple[str, Record]], path: str) -> Iterator[Complaint]:
        if record.fullname in self._seen:
            return
        self._seen.add(record.fullname)
        own = [*_of_named(record, path), *_of_fullname(record, earlier, path)]
        yield from _not_waived(own, record.properties, path)
        for field in record.fields:
            before = [(version, same) for version, old in earlier if (same := _field(old, field.name)) is not None]
            field_path = f"{path}.{field.name}" if path else field.name
            absent_from = [version for version, old in earlier if _field(old, field.name) is None]
            found = [*_of_field(field, before, absent_from, field_path), *self._of_types(field, field_path)]
            yield from _not_waived(found, field.properties, field_path)
            for nested, inner_path in _records_in(field, field_path):
                old_nested = [
                    (version, old)
                    for version, old_field in before
                    for old, _ in _records_in(old_field, "")
                    if old.fullname == nested.fullname
                ]
                yield from self.record(nested, old_nested, inner_path)

    def _of_types(self, field: Field, path: str) -> Iterator[Complaint]:
        for part, part_path in parts(field.type, path):
            if isinstance(part, Enum) and part.fullname not in self._seen:
                self._seen.add(part.fullname)
                yield from _of_enum(part, part_path)
            elif isinstance(part, Primitive | Fixed):
                yield from _of_logical_type(part, part_path)


def _of_named(record: Record | Enum, path: str) -> Iterator[Complaint]:
    if not _CAMEL.fullmatch(record.fullname):
        yield Complaint("names", path, f"{record} is not named like clickwatch.HotWindow: a namespace, then CamelCase")
    if not record.doc.strip():
        yield Complaint("doc", path, f"{record} has no doc: say what one of it stands for")


def _of_fullname(record: Record, earlier: list[tuple[str, Record]], path: str) -> Iterator[Complaint]:
    for version, old in earlier[-1:]:
        if old.fullname != record.fullname:
            yield Complaint("meaning", path, f"it was {old.fullname} in {version} and is {record.fullname} now")


def _of_field(field: Field, before: list[tuple[str, Field]], absent_from: list[str], path: str) -> Iterator[Complaint]:
    if not _SNAKE.fullmatch(field.name):
        yield Complaint("names", path, "not in snake_case")
    if not field.doc.strip():
        yield Complaint("doc", path, "no doc: say what it means, with unit and zone where it has one")
    if field.default is NO_DEFAULT:
        if absent_from:
            yield Complaint(
                "default", path, f"no default, and absent in {', '.join(absent_from)}: add one such as null"
            )
        elif before and before[-1][1].default is not NO_DEFAULT:
            yield Complaint("default", path, f"it had a default in {before[-1][0]}: keep one")
    elif not is_valid_default(field.type, field.default):
        first = " (of a union, its first branch)" if isinstance(field.type, Union) else ""
        yield Complaint("default-type", path, f"the default {field.default!r} does not fit {field.type}{first}")
    for version, old in before[-1:]:
        was, now = logical_type(old.type), logical_type(field.type)
        if was != now:
            yield Complaint("meaning", path, f"its logical type was {was} in {version} and is {now} now")
    yield from _of_pii(field, path)


def _of_pii(field: Field, path: str) -> Iterator[Complaint]:
    tag = field.properties.get("pii")
    if tag is not None and tag not in _PII:
        yield Complaint("pii", path, f"pii is {tag!r}, must be {' or '.join(_PII)}")
    elif tag is None and _PERSON.fullmatch(field.name):
        yield Complaint("pii", path, 'its name sounds like a person: add "pii": "direct" or "indirect", or waive')


def _of_enum(kind: Enum, path: str) -> Iterator[Complaint]:
    yield from _of_named(kind, path)
    if kind.default is None:
        yield Complaint("enum-default", path, f"{kind} has no default: add a symbol such as unknown and make it that")
    wrong = [symbol for symbol in kind.symbols if not _SNAKE.fullmatch(symbol)]
    if wrong:
        yield Complaint("names", path, f"symbols not in snake_case: {', '.join(wrong)}")


def _of_logical_type(kind: Primitive | Fixed, path: str) -> Iterator[Complaint]:
    if kind.logical is None:
        return
    base = kind.name if isinstance(kind, Primitive) else "fixed"
    bases = _LOGICAL_BASES.get(kind.logical)
    if bases is None:
        yield Complaint("logical-type", path, f"unknown logical type {kind.logical}: readers see {base}")
    elif base not in bases:
        yield Complaint("logical-type", path, f"{kind.logical} belongs on {' or '.join(bases)}, not on {base}")


def _not_waived(found: list[Complaint], properties: Mapping[str, Node], path: str) -> Iterator[Complaint]:
    """Yield the complaints that no waiver covers, then those about the waivers themselves."""
    lint = properties.get("lint", {})
    waivers = lint.get("waive", {}) if isinstance(lint, Mapping) else {}
    used = set()
    for complaint in found:
        if complaint.rule in waivers:
            used.add(complaint.rule)
        else:
            yield complaint
    for rule, reason in waivers.items():
        if rule not in RULES or rule == "waiver":
            yield Complaint("waiver", path, f"no rule {rule!r} to waive; rules are {', '.join(RULES)}")
        elif not isinstance(reason, str) or not reason.strip():
            yield Complaint("waiver", path, f"the waiver of {rule} gives no reason")
        elif rule not in used:
            yield Complaint("waiver", path, f"nothing here breaks {rule}: remove its waiver")


def _records_in(field: Field, path: str) -> Iterator[tuple[Record, str]]:
    for part, part_path in parts(field.type, path):
        if isinstance(part, Record):
            yield part, part_path


def _field(record: Record, name: str) -> Field | None:
    return next((field for field in record.fields if field.name == name), None)

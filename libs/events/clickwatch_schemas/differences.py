"""What changed between two versions, field by field."""

import json
from collections.abc import Iterator

from clickwatch_schemas.avro_types import NO_DEFAULT, Array, AvroType, Enum, Field, Map, Node, NoDefault, Record, Union


def differences(old: Record, new: Record) -> list[str]:
    """Return one line for each difference: `+` added, `-` removed, `~` changed."""
    return list(_of_records(old, new, ""))


def default_text(value: Node) -> str:
    """Return a field's default as people write it."""
    return "no default" if isinstance(value, NoDefault) else f"default {json.dumps(value, ensure_ascii=False)}"


def _of_records(old: Record, new: Record, path: str) -> Iterator[str]:
    where = path.rstrip(".") or "the record"
    if old.fullname != new.fullname:
        yield f"~ {where}: {old.fullname} is called {new.fullname}"
    if old.doc != new.doc:
        yield f"~ {where}: doc {old.doc!r} → {new.doc!r}"
    before = {field.name: field for field in old.fields}
    after = {field.name: field for field in new.fields}
    for name, field in before.items():
        if name not in after:
            yield f"- {path}{name}: {field.type}, {default_text(field.default)}"
        else:
            yield from _of_fields(field, after[name], f"{path}{name}")
    for name, field in after.items():
        if name not in before:
            yield f"+ {path}{name}: {field.type}, {default_text(field.default)} ({field.doc or 'no doc'})"


def _of_fields(old: Field, new: Field, path: str) -> Iterator[str]:
    yield from _of_types(old.type, new.type, path)
    if default_text(old.default) != default_text(new.default):
        yield f"~ {path}: {default_text(old.default)} → {default_text(new.default)}"
    for name in sorted({*old.properties, *new.properties} - {"name", "type", "default"}):
        was, now = old.properties.get(name, NO_DEFAULT), new.properties.get(name, NO_DEFAULT)
        if was != now:
            yield f"~ {path}: {name} {_property(was)} → {_property(now)}"


def _of_types(old: AvroType, new: AvroType, path: str) -> Iterator[str]:
    if isinstance(old, Record) and isinstance(new, Record):
        if old.fullname == new.fullname or path:
            yield from _of_records(old, new, f"{path}.")
    elif isinstance(old, Array) and isinstance(new, Array):
        yield from _of_types(old.items, new.items, f"{path}[]")
    elif isinstance(old, Map) and isinstance(new, Map):
        yield from _of_types(old.values, new.values, f"{path}{{}}")
    elif isinstance(old, Enum) and isinstance(new, Enum):
        yield from _of_enums(old, new, path)
    elif (
        isinstance(old, Union)
        and isinstance(new, Union)
        and list(map(str, old.branches)) == list(map(str, new.branches))
    ):
        for old_branch, new_branch in zip(old.branches, new.branches, strict=True):
            yield from _of_types(old_branch, new_branch, path)
    elif str(old) != str(new):
        yield f"~ {path}: {old} → {new}"


def _of_enums(old: Enum, new: Enum, path: str) -> Iterator[str]:
    if old.fullname != new.fullname:
        yield f"~ {path}: {old} → {new}"
    for symbol in old.symbols:
        if symbol not in new.symbols:
            yield f"- {path}: symbol {symbol}"
    for symbol in new.symbols:
        if symbol not in old.symbols:
            yield f"+ {path}: symbol {symbol}"
    if old.default != new.default:
        yield f"~ {path}: default symbol {old.default} → {new.default}"


def _property(value: Node) -> str:
    return "none" if isinstance(value, NoDefault) else json.dumps(value, ensure_ascii=False)

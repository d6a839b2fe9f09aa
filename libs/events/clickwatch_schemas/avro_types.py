"""An Avro schema as a tree of types, with errors that name the field."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from clickwatch_service import UserError

# What JSON holds.
Node: TypeAlias = Any

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class NotAvro(UserError):
    """The text is no Avro schema; the message says where it fails."""


class NoDefault:
    """Stands for the default of a field that has none (null is a default)."""


NO_DEFAULT: Final = NoDefault()


@dataclass(frozen=True)
class Primitive:
    """A primitive type, such as `long`."""

    name: str
    logical: str | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.logical})" if self.logical else self.name


@dataclass(frozen=True)
class Array:
    """A list of items of one type."""

    items: "AvroType"

    def __str__(self) -> str:
        return f"array of {self.items}"


@dataclass(frozen=True)
class Map:
    """Values of one type by text keys."""

    values: "AvroType"

    def __str__(self) -> str:
        return f"map of {self.values}"


@dataclass(frozen=True)
class Union:
    """One of several types."""

    branches: tuple["AvroType", ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.branches))


@dataclass(frozen=True)
class Enum:
    """One of several symbols.

    Attributes:
        default: what a reader takes for a symbol it does not know.
    """

    fullname: str
    symbols: tuple[str, ...]
    default: str | None
    doc: str
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        return f"enum {self.fullname}"


@dataclass(frozen=True)
class Fixed:
    """So many bytes."""

    fullname: str
    size: int
    logical: str | None
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        return f"fixed {self.fullname} of {self.size} bytes"


@dataclass(frozen=True)
class Field:
    """A field of a record.

    Attributes:
        default: NO_DEFAULT where there is none.
        properties: the field's JSON, with what Avro does not know of (`pii`, `lint`).
    """

    name: str
    type: "AvroType"
    default: Node
    doc: str
    aliases: tuple[str, ...]
    properties: Mapping[str, Node]


# Records may hold themselves, so their fields come after them and they are told apart by identity.
@dataclass(eq=False)
class Record:
    """Named fields in an order."""

    fullname: str
    doc: str
    aliases: tuple[str, ...]
    properties: Mapping[str, Node]
    fields: list[Field] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        return f"record {self.fullname}"


AvroType: TypeAlias = Primitive | Array | Map | Union | Enum | Fixed | Record
Named: TypeAlias = Enum | Fixed | Record


def short_name(named: Named) -> str:
    """Return the name without its namespace."""
    return named.fullname.rpartition(".")[2]


def logical_type(kind: AvroType) -> str | None:
    """Return the logical type, of a nullable union that of its one other branch."""
    if isinstance(kind, Union):
        others = [branch for branch in kind.branches if branch != Primitive("null")]
        return logical_type(others[0]) if len(others) == 1 else None
    return kind.logical if isinstance(kind, Primitive | Fixed) else None


def parts(kind: AvroType, path: str) -> Iterator[tuple[Primitive | Enum | Fixed | Record, str]]:
    """Yield what a type is made of, through unions, arrays and maps, each with its path."""
    if isinstance(kind, Union):
        for branch in kind.branches:
            yield from parts(branch, path)
    elif isinstance(kind, Array):
        yield from parts(kind.items, f"{path}[]")
    elif isinstance(kind, Map):
        yield from parts(kind.values, f"{path}{{}}")
    else:
        yield kind, path


def parse_record(text: str) -> Record:
    """Return the record a schema describes.

    Raises:
        NotAvro: it is no Avro schema, or not one of a record.
    """
    try:
        node = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotAvro(f"not JSON: {error}") from None
    found = _Parser().parse(node, "", "the schema")
    if not isinstance(found, Record):
        raise NotAvro(f"the schema is {found}: a topic's schema must be a record")
    return found


class _Parser:
    """Reads one schema; remembers the names it has seen."""

    def __init__(self) -> None:
        self._named: dict[str, Named] = {}

    def parse(self, node: Node, namespace: str, where: str) -> AvroType:
        if isinstance(node, str):
            return self._by_name(node, namespace, where)
        if isinstance(node, list):
            return self._union(node, namespace, where)
        if not isinstance(node, dict) or "type" not in node:
            raise NotAvro(
                f"{where}: {json.dumps(node)[:80]} is no type; write a name, a union or an object with `type`"
            )
        kind = node["type"]
        if kind == "array":
            return Array(self.parse(self._member(node, "items", where), namespace, f"{where}[]"))
        if kind == "map":
            return Map(self.parse(self._member(node, "values", where), namespace, f"{where}{{}}"))
        if kind in ("enum", "fixed", "record", "error"):
            return self._new_named(kind, node, namespace, where)
        found = self.parse(kind, namespace, where)
        if isinstance(found, Primitive) and isinstance(node.get("logicalType"), str):
            return Primitive(found.name, node["logicalType"])
        return found

    def _by_name(self, name: str, namespace: str, where: str) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name)
        found = self._named.get(name if "." in name or not namespace else f"{namespace}.{name}") or self._named.get(
            name
        )
        if found is None:
            known = ", ".join((*PRIMITIVES, *self._named))
            raise NotAvro(f"{where}: unknown type {name!r}; known here are {known}")
        return found

    def _union(self, nodes: list[Node], namespace: str, where: str) -> Union:
        branches = tuple(self.parse(node, namespace, where) for node in nodes)
        keys = [
            b.fullname if isinstance(b, Named) else b.name if isinstance(b, Primitive) else type(b) for b in branches
        ]
        if not branches or len(set(keys)) < len(keys) or any(isinstance(branch, Union) for branch in branches):
            raise NotAvro(f"{where}: a union needs branches, each of another type and none a union itself")
        return Union(branches)

    def _new_named(self, kind: str, node: Mapping[str, Node], namespace: str, where: str) -> Named:
        name = str(self._member(node, "name", where))
        if "." not in name:
            space = node.get("namespace", namespace)
            name = f"{space}.{name}" if space else name
        space = name.rpartition(".")[0]
        for part in name.split("."):
            self._require_name(part, where)
        if name in self._named:
            raise NotAvro(f"{where}: {name} is defined twice; refer to it by its name the second time")
        aliases = tuple(a if "." in a or not space else f"{space}.{a}" for a in node.get("aliases", ()))
        doc = str(node.get("doc", ""))
        if kind == "enum":
            return self._remember(self._enum(name, node, doc, aliases, where))
        if kind == "fixed":
            size = self._member(node, "size", where)
            if not isinstance(size, int) or size < 1:
                raise NotAvro(f"{where}: size is {size!r}, must be a number of bytes")
            return self._remember(Fixed(name, size, node.get("logicalType"), aliases))
        record = Record(name, doc, aliases, node)
        self._remember(record)
        inside = "" if where == "the schema" else f"{where.removeprefix('field ')}."
        for member in self._member(node, "fields", where):
            record.fields.append(self._field(member, space, inside))
        names = [field.name for field in record.fields]
        if len(set(names)) < len(names):
            raise NotAvro(f"{where}: two fields have the same name")
        return record

    def _enum(self, name: str, node: Mapping[str, Node], doc: str, aliases: tuple[str, ...], where: str) -> Enum:
        symbols = tuple(self._member(node, "symbols", where))
        for symbol in symbols:
            self._require_name(symbol, where)
        if len(set(symbols)) < len(symbols):
            raise NotAvro(f"{where}: {name} has a symbol twice")
        default = node.get("default")
        if default is not None and default not in symbols:
            raise NotAvro(f"{where}: the default {default!r} of {name} is none of its symbols {', '.join(symbols)}")
        return Enum(name, symbols, default, doc, aliases)

    def _field(self, node: Node, namespace: str, inside: str) -> Field:
        if not isinstance(node, dict):
            raise NotAvro(f"{inside or 'the schema'}: {node!r} is no field")
        name = str(self._member(node, "name", f"a field of {inside.rstrip('.') or 'the schema'}"))
        where = f"field {inside}{name}"
        self._require_name(name, where)
        kind = self.parse(self._member(node, "type", where), namespace, where)
        aliases = tuple(node.get("aliases", ()))
        return Field(name, kind, node.get("default", NO_DEFAULT), str(node.get("doc", "")), aliases, node)

    def _remember(self, named: Named) -> Named:
        self._named[named.fullname] = named
        return named

    @staticmethod
    def _member(node: Mapping[str, Node], key: str, where: str) -> Node:
        if key not in node:
            raise NotAvro(f"{where}: {key!r} is missing")
        return node[key]

    @staticmethod
    def _require_name(name: Node, where: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise NotAvro(f"{where}: {name!r} is no Avro name; use letters, digits and _, no digit first")


def is_valid_default(kind: AvroType, value: Node) -> bool:
    """Tell whether JSON `value` is a default of the type; of a union's types only the first counts."""
    if isinstance(kind, Union):
        return is_valid_default(kind.branches[0], value)
    if isinstance(kind, Enum):
        return value in kind.symbols
    if isinstance(kind, Fixed):
        return isinstance(value, str) and len(value) == kind.size
    if isinstance(kind, Array):
        return isinstance(value, list) and all(is_valid_default(kind.items, item) for item in value)
    if isinstance(kind, Map):
        return isinstance(value, dict) and all(is_valid_default(kind.values, item) for item in value.values())
    if isinstance(kind, Record):
        return isinstance(value, dict) and all(
            is_valid_default(f.type, value.get(f.name, f.default)) for f in kind.fields
        )
    return _is_primitive_default(kind.name, value)


def _is_primitive_default(name: str, value: Node) -> bool:
    if name == "null":
        return value is None
    if name == "boolean":
        return isinstance(value, bool)
    if name in ("int", "long"):
        bits = 31 if name == "int" else 63
        return isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
    if name in ("float", "double"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)

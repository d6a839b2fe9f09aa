"""Record schemas and changes to them, made up by hypothesis."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from hypothesis import strategies as st

# A schema as JSON holds it.
Node: TypeAlias = Any
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_FIELDS = ("a", "b", "c", "d", "e")
_SYMBOLS = ("S", "T", "U", "V")
_DEFAULTS: dict[str, Node] = {
    "null": None, "boolean": True, "int": 1, "long": 2, "float": 0.5, "double": 1.5, "bytes": "x", "string": "y",
}  # fmt: skip


class _Maker:
    """Draws types, each named one under a name of its own."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.names = 0

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def pick(self, *options: Node) -> Node:
        return self.draw(st.sampled_from(options))

    def type(self, depth: int = 2) -> Node:
        kinds = ["primitive", "primitive", "enum", "fixed"]
        if depth:
            kinds += ["nullable", "nullable", "union", "array", "map", "record"]
        match self.pick(*kinds):
            case "enum":
                symbols = self.draw(st.lists(st.sampled_from(_SYMBOLS), min_size=1, max_size=3, unique=True))
                default = {"default": self.pick(*symbols)} if self.draw(st.booleans()) else {}
                return {"type": "enum", "name": self.name("E"), "symbols": symbols, **default}
            case "fixed":
                return {"type": "fixed", "name": self.name("F"), "size": self.pick(4, 8)}
            case "nullable":
                other = self.type(0)
                return ["null", other] if other != "null" else "null"
            case "union":
                return self.draw(st.lists(st.sampled_from(_PRIMITIVES), min_size=1, max_size=4, unique=True))
            case "array":
                return {"type": "array", "items": self.type(depth - 1)}
            case "map":
                return {"type": "map", "values": self.type(depth - 1)}
            case "record":
                return self.record(depth - 1)
            case _:
                return self.pick(*_PRIMITIVES)

    def record(self, depth: int) -> Node:
        names = self.draw(st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=4, unique=True))
        return {"type": "record", "name": self.name("R"), "fields": [self.field(name, depth) for name in names]}

    def field(self, name: str, depth: int = 1) -> Node:
        kind = self.type(depth)
        return {"name": name, "type": kind, **({"default": default_of(kind)} if self.draw(st.booleans()) else {})}


def default_of(kind: Node) -> Node:
    """Return a default that fits a type."""
    if isinstance(kind, str):
        return _DEFAULTS[kind]
    if isinstance(kind, list):
        return default_of(kind[0])
    match kind["type"]:
        case "enum":
            return kind["symbols"][0]
        case "fixed":
            return "x" * kind["size"]
        case "array":
            return []
        case "map":
            return {}
        case _:
            return {field["name"]: default_of(field["type"]) for field in kind["fields"]}


@st.composite
def schemas_and_changes(draw: Draw, changes: int) -> tuple[str, list[str]]:
    """Return a record schema and so many changed ones."""
    maker = _Maker(draw)
    base = maker.record(2) | {"namespace": "made.up"}
    changed = []
    for _ in range(changes):
        schema = copy.deepcopy(base)
        for _ in range(maker.pick(1, 1, 2, 3)):
            _change(maker, schema)
        _fit_defaults(schema)
        changed.append(json.dumps(schema))
    return json.dumps(base), changed


def _change(maker: _Maker, schema: Node) -> None:
    """Change one thing somewhere."""
    record = maker.pick(*_records(schema))
    fields = record["fields"]
    field = maker.pick(*fields)
    taken = [other["name"] for other in fields]
    unused = [name for name in (*_FIELDS, "f", "g", "h", "i", "j") if name not in taken]
    changes: list[Callable[[], object]] = [
        lambda: fields.append(maker.field(maker.pick(*unused))),
        lambda: fields.remove(field) if len(fields) > 1 else None,
        lambda: field.update(name=maker.pick(*unused)),
        lambda: field.update(name=maker.pick(*unused), aliases=[field["name"]]),
        lambda: field.update(default=None),  # made to fit later
        lambda: field.pop("default", None),
        lambda: fields.reverse(),
        lambda: record.update(name=maker.name("R")),
        lambda: record.update(name=maker.name("R"), aliases=[record["name"]]),
        lambda: record.update(namespace="made.anew"),
        lambda: field.update(type=maker.type(1)),
        lambda: field.update(type=_changed_type(maker, field["type"])),
        lambda: field.update(type=_changed_type(maker, field["type"])),
        lambda: field.update(type=_changed_type(maker, field["type"])),
        lambda: field.update(type=_changed_type(maker, field["type"])),
    ]
    maker.pick(*changes)()


def _changed_type(maker: _Maker, kind: Node) -> Node:
    """Return a type near `kind`."""
    if isinstance(kind, str):
        wider = {"int": "long", "long": "double", "float": "double", "string": "bytes", "bytes": "string"}
        return maker.pick(wider.get(kind, kind), ["null", kind] if kind != "null" else ["null", "int"], "long")
    if isinstance(kind, list):
        missing = [name for name in _PRIMITIVES if name not in kind]
        options = [kind[::-1], kind[1:] or kind, kind[0], *([[*kind, maker.pick(*missing)]] if missing else [])]
        return maker.pick(*options, [*kind[:-1], _changed_member(maker, kind[-1])])
    return _changed_member(maker, kind)


def _changed_member(maker: _Maker, kind: Node) -> Node:
    """Return a type near `kind` that is no union."""
    if not isinstance(kind, dict):
        return kind
    changed = dict(kind)
    match kind["type"]:
        case "enum":
            others = [symbol for symbol in _SYMBOLS if symbol not in kind["symbols"]]
            match maker.pick("add", "remove", "default", "no default", "name", "alias"):
                case "add" if others:
                    changed["symbols"] = [*kind["symbols"], maker.pick(*others)]
                case "remove" if len(kind["symbols"]) > 1 and kind.get("default") != kind["symbols"][-1]:
                    changed["symbols"] = kind["symbols"][:-1]
                case "default":
                    changed["default"] = kind["symbols"][0]
                case "no default":
                    changed.pop("default", None)
                case "name":
                    changed["name"] = maker.name("E")
                case "alias":
                    changed |= {"name": maker.name("E"), "aliases": [kind["name"]]}
        case "fixed":
            changed |= maker.pick({"size": 8}, {"size": 4}, {"name": maker.name("F")}, {"namespace": "else.where"})
        case "array":
            changed["items"] = _changed_type(maker, kind["items"])
        case "map":
            changed["values"] = _changed_type(maker, kind["values"])
    return changed


def _records(node: Node) -> Iterator[Node]:
    """Yield the records of a schema, the outer one first."""
    if isinstance(node, list):
        for branch in node:
            yield from _records(branch)
    elif isinstance(node, dict):
        if node["type"] == "record":
            yield node
            for field in node["fields"]:
                yield from _records(field["type"])
        yield from _records(node.get("items"))
        yield from _records(node.get("values"))


def _fit_defaults(schema: Node) -> None:
    """Give each default the value that fits what its type has become."""
    for record in _records(schema):
        for field in record["fields"]:
            if "default" in field:
                field["default"] = default_of(field["type"])

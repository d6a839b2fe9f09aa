"""Whether a reader on one version can read what a writer on another wrote, and if not, why.

The rules are those of Avro's schema resolution as Apache Avro for Java checks them, which is what
registries run; a test holds our verdict equal to a registry's. Names of records and enums are
compared without their namespace there, and so here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clickwatch_schemas.avro_types import (
    NO_DEFAULT,
    Array,
    AvroType,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    Union,
    short_name,
)

_PROMOTIONS = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "bytes": {"string"},
    "string": {"bytes"},
}


@dataclass(frozen=True)
class Broken:
    """One reason why readers on one version cannot read another.

    Attributes:
        reader: the version that reads, such as `v1`.
        writer: the version that was written.
        path: the field, such as `order.lines[].price`; empty for the record itself.
        reason: what does not fit.
    """

    reader: str
    writer: str
    path: str
    reason: str

    def __str__(self) -> str:
        where = f"field {self.path}: " if self.path else ""
        return f"readers on {self.reader} cannot read {self.writer}: {where}{self.reason}"


def broken(reader: Record, writer: Record, reader_version: str, writer_version: str) -> list[Broken]:
    """Return every reason why `reader` cannot read what `writer` wrote; none means it can."""
    return list(_Resolution(reader_version, writer_version).broken(reader, writer, ""))


def broken_full_transitive(released: Mapping[str, Record], version: str, schema: Record) -> list[Broken]:
    """Return what breaks between a version and all released ones, in both directions.

    Args:
        released: the released schemas by version.
        version: what to call the judged version.
        schema: the judged one.
    """
    found: list[Broken] = []
    for other, released_schema in released.items():
        found += broken(released_schema, schema, other, version)
        found += broken(schema, released_schema, version, other)
    return found


class _Resolution:
    """One walk over a pair of schemas."""

    def __init__(self, reader_version: str, writer_version: str) -> None:
        self._reader = reader_version
        self._writer = writer_version
        self._open: set[tuple[int, int]] = set()

    def broken(self, reader: AvroType, writer: AvroType, path: str) -> Iterator[Broken]:
        if isinstance(writer, Union):
            for branch in writer.branches:
                yield from self.broken(reader, branch, path)
        elif isinstance(reader, Union):
            yield from self._no_branch(reader, writer, path)
        elif isinstance(reader, Primitive) and isinstance(writer, Primitive):
            if reader.name != writer.name and writer.name not in _PROMOTIONS.get(reader.name, ()):
                yield self._mismatch(reader, writer, path)
        elif isinstance(reader, Array) and isinstance(writer, Array):
            yield from self.broken(reader.items, writer.items, f"{path}[]")
        elif isinstance(reader, Map) and isinstance(writer, Map):
            yield from self.broken(reader.values, writer.values, f"{path}{{}}")
        elif isinstance(reader, Record) and isinstance(writer, Record):
            yield from self._records(reader, writer, path)
        elif isinstance(reader, Enum) and isinstance(writer, Enum):
            yield from self._names(reader, writer, path)
            yield from self._symbols(reader, writer, path)
        elif isinstance(reader, Fixed) and isinstance(writer, Fixed):
            yield from self._names(reader, writer, path)
            if reader.size != writer.size:
                yield self._mismatch(reader, writer, path)
        else:
            yield self._mismatch(reader, writer, path)

    def _no_branch(self, reader: Union, writer: AvroType, path: str) -> Iterator[Broken]:
        reasons = [list(self.broken(branch, writer, path)) for branch in reader.branches]
        if all(reasons):
            # A branch of the writer's kind says more than that none fits.
            alike = [why for why, branch in zip(reasons, reader.branches, strict=True) if _alike(branch, writer)]
            yield from alike[0] if alike else [self._mismatch(reader, writer, path)]

    def _records(self, reader: Record, writer: Record, path: str) -> Iterator[Broken]:
        pair = (id(reader), id(writer))
        if pair in self._open:  # a record in itself: as good as the rest of it
            return
        self._open.add(pair)
        yield from self._names(reader, writer, path)
        for field in reader.fields:
            field_path = f"{path}.{field.name}" if path else field.name
            written = _written_fields(writer, field)
            if len(written) > 1:
                names = " and ".join(other.name for other in written)
                yield self._because(field_path, f"by its aliases it is both {names} of {self._writer}")
            elif written:
                yield from self.broken(field.type, written[0].type, field_path)
            elif field.default is NO_DEFAULT:
                reason = f"{self._writer} does not write it and {self._reader} has no default for it"
                yield self._because(field_path, reason)
        self._open.remove(pair)

    def _names(self, reader: Named, writer: Named, path: str) -> Iterator[Broken]:
        if short_name(reader) != short_name(writer) and writer.fullname not in reader.aliases:
            what = "its type" if path else "the record"
            yield self._because(
                path, f"{self._writer} calls {what} {short_name(writer)}, {self._reader} calls it {short_name(reader)}"
            )

    def _symbols(self, reader: Enum, writer: Enum, path: str) -> Iterator[Broken]:
        unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if unknown and reader.default is None:
            yield self._because(
                path,
                f"{self._writer} may write {', '.join(unknown)}, which {self._reader} does not know "
                "and has no default symbol for",
            )

    def _mismatch(self, reader: AvroType, writer: AvroType, path: str) -> Broken:
        return self._because(path, f"{self._writer} writes {writer}, {self._reader} reads {reader}")

    def _because(self, path: str, reason: str) -> Broken:
        return Broken(self._reader, self._writer, path, reason)


def _written_fields(writer: Record, field: Field) -> list[Field]:
    """Return the writer's fields that a reader's field stands for; more than one is an error.

    An alias that repeats the field's own name counts again: that is how Apache Avro for Java sees it.
    """
    by_name = {written.name: written for written in writer.fields}
    return [by_name[name] for name in (field.name, *dict.fromkeys(field.aliases)) if name in by_name]


def _alike(reader: AvroType, writer: AvroType) -> bool:
    if isinstance(reader, Named) and isinstance(writer, Named):
        return type(reader) is type(writer) and short_name(reader) == short_name(writer)
    return type(reader) is type(writer) and not isinstance(reader, Primitive)

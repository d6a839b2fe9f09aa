"""The page of all events and fields, made from the schemas."""

from collections.abc import Iterator

from clickwatch_schemas.avro_types import Enum, Field, Record, parts
from clickwatch_schemas.differences import default_text
from clickwatch_schemas.folder import SchemaFolder


def catalogue(folder: SchemaFolder) -> str:
    """Return the page in Markdown: the released versions of each subject."""
    lines = [
        "# Events: the catalogue",
        "",
        "Made from the released versions by `./pants run libs/events:schemas -- docs`; do not edit by hand.",
        "",
    ]
    for subject in folder.subjects():
        lines += _subject(folder, subject)
    return "\n".join(lines).rstrip() + "\n"


def _subject(folder: SchemaFolder, subject: str) -> Iterator[str]:
    released = folder.released(subject)
    if not released:
        return
    last_version, last = list(released.items())[-1]
    yield f"## {subject}"
    yield ""
    yield f"Topic `{subject}`, subject `{subject}-value`, record `{last.fullname}`. {last.doc}"
    yield ""
    links = (f"[{version}]({subject}/{version}.avsc)" for version in released)
    yield f"Versions: {', '.join(links)}."
    yield ""
    yield "| field | type | default | versions | person | meaning |"
    yield "|---|---|---|---|---|---|"
    for path, field, versions in _fields(released):
        missing = set(released) - set(versions)
        since = "all" if not missing else ", ".join(versions)
        person = str(field.properties.get("pii", ""))
        cells = (f"`{path}`", str(field.type), _default(field), since, person, field.doc)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    enums = {enum.fullname: enum for enum in _enums(last)}
    for enum in enums.values():
        symbols = ", ".join(f"`{symbol}`" for symbol in enum.symbols)
        default = f"; a symbol a reader does not know is read as `{enum.default}`" if enum.default else ""
        yield f"`{enum.fullname}` in {last_version}: {symbols}{default}. {enum.doc}"
        yield ""


def _fields(released: dict[str, Record]) -> list[tuple[str, Field, list[str]]]:
    """Return every field that any version has, as its last version has it."""
    found: dict[str, tuple[Field, list[str]]] = {}
    for version, record in released.items():
        for path, field in _with_paths(record, ""):
            versions = found[path][1] if path in found else []
            found[path] = (field, [*versions, version])
    return [(path, field, versions) for path, (field, versions) in found.items()]


def _with_paths(record: Record, path: str, inside: frozenset[str] = frozenset()) -> Iterator[tuple[str, Field]]:
    for field in record.fields:
        yield f"{path}{field.name}", field
        for part, part_path in parts(field.type, f"{path}{field.name}"):
            if isinstance(part, Record) and part.fullname not in inside | {record.fullname}:
                yield from _with_paths(part, f"{part_path}.", inside | {record.fullname})


def _enums(record: Record) -> Iterator[Enum]:
    for _, field in _with_paths(record, ""):
        yield from (part for part, _ in parts(field.type, "") if isinstance(part, Enum))


def _default(field: Field) -> str:
    text = default_text(field.default)
    return "" if text == "no default" else text.removeprefix("default ")

"""Command line of the schema workflow: `./pants run libs/events:schemas -- new | lint | check | … `."""

import re
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_events.__main__ import register
from clickwatch_events.schemas import subject
from clickwatch_service import UserError, run_cli

from clickwatch_schemas.avro_types import Record
from clickwatch_schemas.catalogue import catalogue
from clickwatch_schemas.compatibility import broken, broken_full_transitive
from clickwatch_schemas.differences import differences
from clickwatch_schemas.folder import SchemaFolder, parsed_file
from clickwatch_schemas.lint import RULES, complaints
from clickwatch_schemas.registry_copy import RegistryCopy, from_json, to_json

app = typer.Typer(
    help="""The schemas of the topics, from an idea to a registered version:

    new → edit → diff, lint, check → release → commit → register (on deploy).

    Every command ends with status 1 where something is wrong. schemas/README.md tells the whole way.""",
    no_args_is_help=True,
)

FolderOption = Annotated[
    SchemaFolder,
    typer.Option(
        "--folder", parser=lambda text: SchemaFolder(Path(text)), metavar="DIR", help="The folder of schemas."
    ),
]
SubjectArgument = Annotated[str, typer.Argument(help="Such as clickstream-events.", metavar="SUBJECT")]
SubjectsArgument = Annotated[list[str] | None, typer.Argument(help="All by default.", metavar="[SUBJECT]...")]
RegistryOption = Annotated[
    str, typer.Option("--registry", envvar="SCHEMA_REGISTRY_URL", help="Confluent-compatible API of the registry.")
]
_REGISTRY = "http://localhost:8085/apis/ccompat/v7"
# Parsed like what a person types.
_FOLDER: SchemaFolder = "schemas"  # type: ignore[assignment]


@app.command()
def new(name: SubjectArgument, folder: FolderOption = _FOLDER) -> None:
    """Copy the last version to the next number, to edit; also begin a new subject."""
    typer.echo(f"{folder.new(name)}: edit it, then diff, lint, check and release")


@app.command()
def lint(names: SubjectsArgument = None, folder: FolderOption = _FOLDER) -> None:
    """Judge what a registry cannot: docs, names, defaults, logical types, PII tags; and that nothing released changed.

    A rule is waived in the schema, with a reason: "lint": {"waive": {"enum-default": "a closed list"}}.
    """
    lines = folder.tampered()
    for name in _chosen(folder, names):
        earlier: list[tuple[int, Record]] = []
        for version in [*folder.versions(name), *([draft] if (draft := folder.draft(name)) else [])]:
            record = folder.record(name, version)
            lines += [f"{folder.path(name, version)}: {complaint}" for complaint in complaints(record, earlier)]
            earlier.append((version, record))
    _end(lines, f"clean by {len(RULES)} rules, and nothing released was changed")


@app.command()
def check(
    names: SubjectsArgument = None,
    folder: FolderOption = _FOLDER,
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry", envvar="SCHEMA_REGISTRY_URL", help="Ask this registry too, by its Confluent-compatible API."
        ),
    ] = None,
) -> None:
    """Judge whether every version reads every other (FULL_TRANSITIVE), offline, then by a registry if given."""
    lines: list[str] = []
    for name in _chosen(folder, names):
        released, draft = folder.released(name), folder.draft(name)
        for number, version in enumerate(released):
            earlier = dict(list(released.items())[:number])
            lines += [f"{name}: {found}" for found in broken_full_transitive(earlier, version, released[version])]
        if draft is not None:
            found = broken_full_transitive(released, f"v{draft}", folder.record(name, draft))
            lines += [f"{name}: {each}" for each in found]
            if not found:
                typer.echo(f"{name}: v{draft} (draft) and {', '.join(released) or 'nothing yet'} read each other")
        if registry:
            lines += _judged_by_registry(RegistryCopy(registry), registry, folder, name)
    _end(lines, "every version reads every other")


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="SUBJECT/vN or a file.")],
    new_: Annotated[str, typer.Argument(metavar="NEW", help="SUBJECT/vN or a file.")],
    folder: FolderOption = _FOLDER,
) -> None:
    """Tell what changed between two versions, field by field, and who can read whom."""
    (old_name, before), (new_name, after) = _version(folder, old), _version(folder, new_)
    for line in differences(before, after) or ["no difference"]:
        typer.echo(line)
    typer.echo("")
    lines = []
    for reader_name, reader, writer_name, writer in (
        (new_name, after, old_name, before),
        (old_name, before, new_name, after),
    ):
        found = broken(reader, writer, reader_name, writer_name)
        lines += [str(each) for each in found]
        if not found:
            typer.echo(f"readers on {reader_name} can read {writer_name}")
    _end(lines)


@app.command()
def release(name: SubjectArgument, folder: FolderOption = _FOLDER) -> None:
    """Make the draft a released version, with golden bytes, fingerprint and catalogue; from now on it never changes."""
    lint([name], folder)
    check([name], folder, None)
    for file in folder.release(name):
        typer.echo(f"wrote {file}")
    docs(folder, check_only=False)
    typer.echo("commit these, then teach the code that reads and writes it (schemas/README.md)")


@app.command()
def docs(
    folder: FolderOption = _FOLDER,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where the page is not up to date.")
    ] = False,
) -> None:
    """Write the catalogue of all events and fields: CATALOGUE.md beside the schemas."""
    page, text = folder.root / "CATALOGUE.md", catalogue(folder)
    current = page.read_text("utf-8") if page.exists() else ""
    if check_only:
        _end([] if text == current else [f"{page} is not up to date: write it with `docs`"], f"{page} is up to date")
    elif text != current:
        page.write_text(text, "utf-8")
        typer.echo(f"wrote {page}")


# The images of a deployment hold this one alone, as `python -m clickwatch_events register`.
app.command()(register)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; kept with the backups.")],
    registry: RegistryOption = _REGISTRY,
) -> None:
    """Write all subjects of a registry, with ids and levels, to a file."""
    subjects = RegistryCopy(registry).subjects()
    file.write_text(to_json(subjects), "utf-8")
    versions = sum(len(each.versions) for each in subjects)
    typer.echo(f"wrote {versions} versions of {len(subjects)} subjects to {file}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote.", exists=True, dir_okay=False)],
    registry: RegistryOption = _REGISTRY,
) -> None:
    """Fill an empty registry from an export, under the same ids; safe to repeat."""
    subjects = from_json(file.read_text("utf-8"))
    filled = RegistryCopy(registry).restore(subjects)
    for each in subjects:
        for version in each.versions:
            typer.echo(f"{each.name} v{version.version} has id {version.id}{'' if filled else ' already'}")


def _judged_by_registry(registry: RegistryCopy, url: str, folder: SchemaFolder, name: str) -> list[str]:
    draft = folder.draft(name)
    version = draft or max(folder.versions(name))
    verdict = registry.takes(subject(name), folder.text(name, version))
    if verdict is None:
        typer.echo(f"{name}: the registry at {url} has no {subject(name)} yet")
        return []
    lines = []
    if (level := registry.level(subject(name))) != "FULL_TRANSITIVE":
        lines.append(f"{name}: the registry at {url} holds it to {level}, not to FULL_TRANSITIVE: run `register`")
    if verdict:
        typer.echo(f"{name}: the registry at {url} takes v{version}")
    else:
        lines.append(f"{name}: the registry at {url} refuses v{version}")
    return lines


def _chosen(folder: SchemaFolder, names: list[str] | None) -> list[str]:
    known = folder.subjects()
    for name in names or ():
        if name not in known:
            raise UserError(f"no subject {name!r} in {folder.root}: there are {', '.join(known)}")
    return names or known


def _version(folder: SchemaFolder, text: str) -> tuple[str, Record]:
    match = re.fullmatch(r"([a-z0-9-]+)/v(\d+)", text)
    if match and not Path(text).exists():
        return f"v{match[2]}", folder.record(match[1], int(match[2]))
    if not Path(text).is_file():
        raise UserError(f"{text!r} is neither a version such as clickstream-events/v2 nor a file")
    return text, parsed_file(Path(text))


def _end(lines: list[str], well: str = "") -> None:
    """Print what is wrong and end with status 1; else say that all is well."""
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(1)
    if well:
        typer.echo(well)


if __name__ == "__main__":
    run_cli(app)

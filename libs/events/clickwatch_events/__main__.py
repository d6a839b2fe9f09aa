"""Command line of the event contracts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_kafka import KafkaSettings, require_kafka
from clickwatch_service import UserError, load_settings, run_cli
from confluent_kafka.schema_registry.error import SchemaRegistryError

from clickwatch_events.registry import Registry, RegistryUnavailable
from clickwatch_events.registry_connection import RegistrySettings
from clickwatch_events.schemas import NAMES, subject
from clickwatch_events.topics import TOPICS
from clickwatch_events.topics import create_topics as create

app = typer.Typer(help="The event contracts of clickwatch.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The event contracts of clickwatch."""


@app.command()
def register(
    registry_url: Annotated[
        str | None,
        typer.Option("--registry", help="Confluent-compatible API of the registry, instead of SCHEMA_REGISTRY_URL."),
    ] = None,
    wait_seconds: Annotated[float, typer.Option(help="How long to wait for the registry.")] = 60,
    ids_file: Annotated[
        Path | None, typer.Option("--ids", metavar="FILE", help="Write the ids here too, as JSON.")
    ] = None,
) -> None:
    """Register every released schema and set each subject to FULL_TRANSITIVE; safe to repeat.

    For deployment: producers never register, they look ids up. TLS and login by the SCHEMA_REGISTRY_ variables.
    """
    connection = load_settings(RegistrySettings).registry
    registry = Registry(connection if registry_url is None else replace(connection, url=registry_url))
    ids: dict[str, dict[str, int]] = {}
    try:
        registry.wait(wait_seconds, say=lambda line: typer.echo(line, err=True))
        for name in NAMES:
            ids[subject(name)] = {f"v{version}": schema_id for version, schema_id in registry.register(name).items()}
            for version, schema_id in ids[subject(name)].items():
                typer.echo(f"{subject(name)} {version} has id {schema_id}")
    except RegistryUnavailable as error:
        raise UserError(str(error)) from None
    except SchemaRegistryError as error:
        raise UserError(
            f"the registry at {registry.url} refuses a schema of {subject(name)} ({error}): "
            "`./pants run libs/events:schemas -- check --registry …` says why"
        ) from None
    if ids_file is not None:
        ids_file.write_text(json.dumps(ids, indent=2) + "\n", "utf-8")


@app.command()
def create_topics(
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", help="The broker's address, instead of KAFKA_BOOTSTRAP_SERVERS.")
    ] = None,
) -> None:
    """Create the topics that are not there yet; TLS and login by the KAFKA_ variables."""
    kafka = load_settings(KafkaSettings).kafka
    if bootstrap is not None:
        kafka = replace(kafka, bootstrap_servers=bootstrap)
    require_kafka(kafka)
    create(kafka)
    typer.echo(f"{', '.join(one.name for one in TOPICS)} are at {kafka.bootstrap_servers}")


if __name__ == "__main__":
    run_cli(app)

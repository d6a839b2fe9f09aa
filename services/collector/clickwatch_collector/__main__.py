"""Command line: `python -m clickwatch_collector run | add-key | openapi | doctor`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_events.registry_doctor import check_registry
from clickwatch_events.schemas import EVENTS
from clickwatch_kafka.acls import Topics
from clickwatch_kafka.acls import collector as needed_rights
from clickwatch_kafka.doctor import check_kafka
from clickwatch_service import load_settings, run_cli
from clickwatch_service.doctor import check_disk, tell

from clickwatch_collector import keys
from clickwatch_collector.settings import Settings
from clickwatch_collector.web.description import description
from clickwatch_collector.web.server import serve

app = typer.Typer(help="Shop events by HTTP, into Kafka.", no_args_is_help=True)


@app.command()
def run() -> None:
    """Take events until stopped."""
    serve(load_settings(Settings))


@app.command("add-key")
def add_key(
    shop: Annotated[str, typer.Argument(help="Whose events it sends.")],
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A page that may send with it, such as https://shop.example; repeatable. None: servers."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The file of keys; else COLLECTOR_KEYS_FILE.")] = None,
) -> None:
    """Make a key, and print it; only its hash is kept. A running collector knows it within a second."""
    print(keys.add_key(file or load_settings(Settings).keys_file, shop, origin or []))


@app.command()
def openapi() -> None:
    """Print the API's description (OpenAPI)."""
    print(json.dumps(description(), indent=2))


@app.command()
def doctor() -> None:
    """Try each connection with the settings of the collector, and say a line for each; status 1 where one fails."""
    settings = load_settings(Settings)
    topics = Topics(events=settings.kafka_topic, dead_letters=settings.dead_letter_topic)
    tell(
        lambda: check_kafka(settings.kafka, needed_rights(topics)),
        lambda: check_registry(settings.registry, [EVENTS]),
        lambda: check_disk(settings.data_dir),
    )


if __name__ == "__main__":
    run_cli(app)

"""Command line: `python -m clickwatch_streaming run | project | compact | forget-user | dlq | connectors`."""

from pathlib import Path
from typing import Annotated

import typer
from clickwatch_service import load_settings, run_cli, stop_on_signals
from clickwatch_service.metrics import served_metrics

from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.alerts.projector import project as follow
from clickwatch_streaming.dead_letters.commands import dlq
from clickwatch_streaming.kafka import wait_for_topics
from clickwatch_streaming.lake.commands import compact_lake
from clickwatch_streaming.privacy.commands import forget_user
from clickwatch_streaming.settings import Settings
from clickwatch_streaming.spark.connectors import fetch_connectors

app = typer.Typer(help="Speed layer: flash-sale alerts and the event lake.", no_args_is_help=True)
app.command("compact")(compact_lake)
app.command("forget-user")(forget_user)
app.add_typer(dlq, name="dlq")


@app.command()
def run() -> None:
    """Run alerts, lake and projector until stopped."""
    from clickwatch_streaming.service import run as run_service

    settings, stop = load_settings(Settings), stop_on_signals()
    run_service(settings, stop, _say)


@app.command()
def project() -> None:
    """Run only the projector: topic of hot windows to table and console."""
    settings, stop = load_settings(Settings), stop_on_signals()
    topics = wait_for_topics(settings.kafka_bootstrap_servers, [settings.alerts_topic], settings.wait_timeout, stop)
    metrics = ProjectorMetrics()
    with served_metrics(settings, metrics):
        if not stop.is_set():
            follow(settings, topics[settings.alerts_topic], stop, _say, metrics)


@app.command()
def connectors(
    to: Annotated[Path, typer.Option(help="Folder for the jars; SPARK_JARS_DIR names it later.")],
) -> None:
    """Fetch Spark's Kafka and Avro connectors from Maven Central."""
    for jar in fetch_connectors(to):
        print(jar)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run_cli(app)

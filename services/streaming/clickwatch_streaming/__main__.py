"""Command line: `python -m clickwatch_streaming COMMAND`: the service or a part of it, and its tools."""

from pathlib import Path
from typing import Annotated

import typer
from clickwatch_events.registry_doctor import check_registry
from clickwatch_events.schemas import NAMES
from clickwatch_kafka.acls import streaming as needed_rights
from clickwatch_kafka.doctor import check_kafka
from clickwatch_service import load_settings, run_cli, stop_on_signals
from clickwatch_service.database import require_tls_as_asked
from clickwatch_service.doctor import check_database, check_disk, tell
from clickwatch_service.metrics import served_metrics

from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.alerts.projector import project as follow
from clickwatch_streaming.dead_letters.commands import dlq
from clickwatch_streaming.kafka import wait_for_topics
from clickwatch_streaming.lake.commands import compact_lake
from clickwatch_streaming.parts import ALL_PARTS, Part
from clickwatch_streaming.privacy.commands import forget_user
from clickwatch_streaming.settings import Settings
from clickwatch_streaming.spark.connectors import fetch_connectors
from clickwatch_streaming.status.watchdog import Watchdog, Watched, watching

TABLES = ("flash_sale_alerts", "stream_offsets", "stream_status", "window_counts")
"""What the service keeps in the database, as far as `doctor` looks."""

app = typer.Typer(help="Speed layer: flash-sale alerts and the event lake.", no_args_is_help=True)
app.command("compact")(compact_lake)
app.command("forget-user")(forget_user)
app.add_typer(dlq, name="dlq")


@app.command()
def run() -> None:
    """Run alerts, lake and projector until stopped."""
    _run(ALL_PARTS)


@app.command()
def alerts() -> None:
    """Run only the alert query, beside others of its kind: each needs a DATA_DIR of its own."""
    _run(frozenset({Part.ALERTS}))


@app.command()
def lake() -> None:
    """Run only the lake, with dead letters, closed windows and the status."""
    _run(frozenset({Part.LAKE}))


def _run(parts: frozenset[Part]) -> None:
    from clickwatch_streaming.service import run as run_service

    settings, stop = load_settings(Settings), stop_on_signals()
    run_service(settings, stop, _say, parts)


@app.command()
def project() -> None:
    """Run only the projector: topic of hot windows to table and console; others of its kind take turns with it."""
    settings, stop = load_settings(Settings), stop_on_signals()
    require_tls_as_asked(settings.database_url)
    topics = wait_for_topics(settings.kafka, [settings.alerts_topic], settings.wait_timeout, stop)
    metrics = ProjectorMetrics()
    watchdog = Watchdog(settings, Watched(settings.checkpoints_dir), frozenset({Part.PROJECTOR}))
    with served_metrics(settings, metrics), watching(watchdog, settings.stall_timeout, kill=lambda: None):
        if not stop.is_set():
            follow(settings, topics[settings.alerts_topic], stop, _say, metrics)


@app.command()
def doctor() -> None:
    """Try each connection with the settings of the service, and say a line for each; status 1 where one fails."""
    settings = load_settings(Settings)
    tell(
        lambda: check_kafka(settings.kafka, needed_rights(settings.topics)),
        lambda: check_registry(settings.registry, NAMES),
        lambda: check_database(settings.database_url, TABLES, TABLES),
        lambda: check_disk(settings.data_dir),
    )


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

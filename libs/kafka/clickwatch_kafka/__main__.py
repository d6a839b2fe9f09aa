"""Command line: `python -m clickwatch_kafka acls`."""

from typing import Annotated

import typer
from clickwatch_service import UserError, load_settings, run_cli

from clickwatch_kafka.acls import SERVICES, Topics, apply, commands
from clickwatch_kafka.settings.variables import KafkaSettings

app = typer.Typer(help="Kafka as clickwatch needs it.", no_args_is_help=True)


class Settings(KafkaSettings):
    """The connection, and the names of the topics."""

    kafka_topic: str = "clickstream-events"
    dlq_topic: str = ""
    alerts_topic: str = "flash-sale-alerts"

    @property
    def topics(self) -> Topics:
        """The names of the topics."""
        return Topics(self.kafka_topic, self.dlq_topic or f"{self.kafka_topic}-dlq", self.alerts_topic)


@app.callback()
def main() -> None:
    """Kafka as clickwatch needs it."""


@app.command()
def acls(
    service: Annotated[
        list[str] | None, typer.Option(help="simulator, collector, streaming or deployment; all.")
    ] = None,
    principal: Annotated[
        str, typer.Option(help="Who gets them; {service} stands for the service's name.")
    ] = "User:{service}",
    applied: Annotated[bool, typer.Option("--apply", help="Grant them, by the KAFKA_ variables.")] = False,
) -> None:
    """Print the ACLs that each service needs, and no more, as commands of kafka-acls.sh, or grant them."""
    settings = load_settings(Settings)
    for one in service or SERVICES:
        if one not in SERVICES:
            raise UserError(f"--service {one!r}: must be one of {', '.join(SERVICES)}")
        who, rights = principal.replace("{service}", one), SERVICES[one](settings.topics)
        if applied:
            apply(settings.kafka, who, rights)
            typer.echo(f"granted to {who}: {len(rights)} rights of {one}")
        else:
            typer.echo(f"# {one}")
            typer.echo("\n".join(commands(who, rights)))


if __name__ == "__main__":
    run_cli(app)

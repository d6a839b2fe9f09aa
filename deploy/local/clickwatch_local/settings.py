"""The environment, parsed once."""

import shlex
from pathlib import Path
from typing import Annotated

from clickwatch_service import ServiceSettings, UserError
from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def _words(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


CommandLine = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


class Settings(ServiceSettings):
    """Where the services' programs are.

    Attributes:
        clickwatch_dist: folder of simulator.pex, streaming.pex, batch.pex, db-migrations.pex, dashboard.pex,
            airflow.pex, notifier.pex and collector.pex; the last three only where they are started.
        notifier_channels_file: who is told of alerts; None starts no notifier.
        simulator_command: what to start instead of the simulator's program, for development;
            the same for the others.
    """

    clickwatch_dist: Path | None = None
    notifier_channels_file: Path | None = None
    simulator_command: CommandLine = ()
    streaming_command: CommandLine = ()
    batch_command: CommandLine = ()
    migrations_command: CommandLine = ()
    dashboard_command: CommandLine = ()
    airflow_command: CommandLine = ()
    notifier_command: CommandLine = ()
    collector_command: CommandLine = ()

    @property
    def simulator(self) -> tuple[str, ...]:
        """How the simulator is started."""
        return self.simulator_command or self._program("simulator")

    @property
    def streaming(self) -> tuple[str, ...]:
        """How the streaming service is started."""
        return self.streaming_command or self._program("streaming")

    @property
    def batch(self) -> tuple[str, ...]:
        """How the batch layer is started."""
        return self.batch_command or self._program("batch")

    @property
    def migrations(self) -> tuple[str, ...]:
        """How the migrations are started."""
        return self.migrations_command or self._program("db-migrations")

    @property
    def dashboard(self) -> tuple[str, ...]:
        """How the dashboard is started."""
        return self.dashboard_command or self._program("dashboard")

    @property
    def airflow(self) -> tuple[str, ...]:
        """How Airflow is started."""
        return self.airflow_command or self._program("airflow")

    @property
    def notifier(self) -> tuple[str, ...]:
        """How the notifier is started."""
        return self.notifier_command or self._program("notifier")

    @property
    def collector(self) -> tuple[str, ...]:
        """How the collector is started."""
        return self.collector_command or self._program("collector")

    def _program(self, name: str) -> tuple[str, ...]:
        if self.clickwatch_dist is None:
            raise UserError("CLICKWATCH_DIST is not set: start the stack by ./pants up, which builds the programs")
        pex = self.clickwatch_dist / f"{name}.pex"
        packed = pex / "__main__.py"
        program = packed if packed.is_file() else pex
        if not program.is_file():
            raise UserError(
                f"CLICKWATCH_DIST={self.clickwatch_dist}: it has no {pex.name}: build it by ./pants package"
            )
        return (str(program.absolute()),)

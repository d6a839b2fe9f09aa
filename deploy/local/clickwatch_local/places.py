"""Where the stack keeps what."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ports:
    """Ports of 127.0.0.1 that clients use; None for Airflow's or the shop's is a stack without it.

    `metrics` is the first of those where streaming, dashboard and simulator serve metrics; None: they serve none.
    """

    kafka: int
    registry: int
    postgres: int
    dashboard: int
    airflow: int | None = None
    metrics: int | None = None
    shop: int | None = None

    @property
    def metrics_of(self) -> dict[str, int]:
        """The port of each service that serves metrics; the order is that of deploy/monitoring/prometheus.yaml."""
        if self.metrics is None:
            return {}
        return {name: self.metrics + n for n, name in enumerate(("streaming", "dashboard", "simulator"))}


@dataclass(frozen=True)
class DataDir:
    """The folder that holds all state of a stack."""

    folder: Path

    @property
    def data(self) -> Path:
        """The services' DATA_DIR: logs of events, lake, reports, checkpoints."""
        return self.folder / "data"

    def replica(self, name: str) -> Path:
        """Return the DATA_DIR of a further replica: its checkpoints."""
        return self.folder / "replicas" / name

    @property
    def kafka(self) -> Path:
        """The broker's data."""
        return self.folder / "kafka"

    @property
    def registry(self) -> Path:
        """The registry's data."""
        return self.folder / "registry"

    @property
    def postgres(self) -> Path:
        """The database's data."""
        return self.folder / "postgres"

    @property
    def airflow(self) -> Path:
        """Airflow's home: its secrets, and what its tasks say."""
        return self.folder / "airflow"

    @property
    def passwords(self) -> Path:
        """One file for each database role."""
        return self.folder / "passwords"

    @property
    def pgpass(self) -> Path:
        """The same passwords as PGPASSFILE wants them."""
        return self.folder / "pgpass"

    @property
    def shop_key(self) -> Path:
        """The demo shop's key, beside the hashes of all keys."""
        return self.data / "collector" / "shop-key"

    @property
    def output(self) -> Path:
        """What each part said, one file each."""
        return self.folder / "output"

    @property
    def state(self) -> Path:
        """What runs; see `state.py`."""
        return self.folder / "state.json"

    @property
    def lock(self) -> Path:
        """Held while a stack runs."""
        return self.folder / "lock"

    def log(self, name: str) -> Path:
        """Return the file that takes what a part says."""
        return self.output / f"{name}.log"

    def empty(self) -> None:
        """Delete all state, and nothing that is not ours."""
        servers = (self.kafka, self.registry, self.postgres, self.airflow)
        for folder in (self.data, self.folder / "replicas", *servers, self.passwords, self.output):
            shutil.rmtree(folder, ignore_errors=True)
        self.pgpass.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

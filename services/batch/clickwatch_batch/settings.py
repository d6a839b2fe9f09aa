"""The environment, parsed once."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import Duration, ServiceSettings
from pydantic import AfterValidator, Field


def _postgres_url(url: str) -> str:
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be an address such as postgresql://clickwatch_batch@localhost:5432/clickwatch")
    return url


class Settings(ServiceSettings):
    """What a run needs to know.

    Attributes:
        data_dir: holds `logs/` (read), `reports/` and `quarantine/` (written), `spill/` (temporary).
        database_url: the serving layer, as a role that may write the daily tables.
        wait_timeout: how long to wait for the database.
        malformed_threshold: the share of lines, 0 to 1, above which a day fails.
        duckdb_memory_limit: what DuckDB keeps in memory before it spills, such as `1GB`.
        duckdb_threads: threads DuckDB uses; None is one a core.
        duckdb_temp_dir: where it spills to; None is `spill` in the data folder.
    """

    data_dir: Path = Path("./var/data")
    database_url: Annotated[str, AfterValidator(_postgres_url)] = "postgresql://clickwatch@localhost:5432/clickwatch"
    wait_timeout: Duration = timedelta(seconds=30)
    malformed_threshold: Annotated[float, Field(ge=0, le=1)] = 0.05
    duckdb_memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")] = "1GB"
    duckdb_threads: Annotated[int, Field(ge=1)] | None = None
    duckdb_temp_dir: Path | None = None

    @property
    def logs_dir(self) -> Path:
        """The folder of the days' logs."""
        return self.data_dir / "logs"

    @property
    def reports_dir(self) -> Path:
        """The folder of the days' reports."""
        return self.data_dir / "reports"

    @property
    def quarantine_dir(self) -> Path:
        """The folder of lines kept aside."""
        return self.data_dir / "quarantine"

    @property
    def spill_dir(self) -> Path:
        """The folder DuckDB may fill while it works."""
        return self.duckdb_temp_dir or self.data_dir / "spill"

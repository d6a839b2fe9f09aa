"""The lake: its tables as they are now, and transactions of the catalog's database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from clickwatch_service import UserError
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from clickwatch_lake.catalog import LakeCatalog, database_errors
from clickwatch_lake.storage import Storage
from clickwatch_lake.tables import CATALOG, NAMESPACE, LakeTable

T = TypeVar("T")

_MADE = text("""
    SELECT table_name, metadata_location
    FROM lake.iceberg_tables
    WHERE catalog_name = :catalog AND table_namespace = :namespace
""")


class Lake:
    """The lake's tables, for one process; its threads may share it.

    Attributes:
        storage: where the files lie.
        catalog: pyiceberg's catalog, in its database.
    """

    def __init__(self, database_url: str, storage: Storage) -> None:
        """Open the catalog.

        Args:
            database_url: the database that the migrations have made ready.
            storage: where the files lie.

        Raises:
            UserError: the address is none of PostgreSQL's, or the database lacks the catalog.
            psycopg.OperationalError: no database answers.
        """
        self.storage = storage
        self.catalog = LakeCatalog(database_url, storage)
        with self.transaction() as connection:
            if connection.execute(text("SELECT to_regclass('lake.batches')")).scalar() is None:
                raise UserError(
                    "the database has no catalog of the lake (schema lake): bring it up to date by "
                    "`db-migrations upgrade`"
                )

    def table(self, table: LakeTable) -> Table:
        """Return a table as it is now.

        Raises:
            UserError: it has not been made yet.
        """
        try:
            with database_errors():
                return self.catalog.load_table(table.identifier)
        except NoSuchTableError:
            raise UserError(f"the lake has no table {table}: the streaming service makes it at its start") from None

    def read(self, table: LakeTable, look: Callable[[Table], T]) -> T:
        """Return what `look` makes of a table as it is now.

        A snapshot may expire while it is looked at, and its files go: then the table as it is by then is looked at.

        Raises:
            UserError: the table has not been made yet.
            FileNotFoundError: a file that the table has is gone.
        """
        loaded = self.table(table)
        while True:
            try:
                return look(loaded)
            except FileNotFoundError:
                newer = self.table(table)
                if newer.metadata_location == loaded.metadata_location:
                    raise
                loaded = newer

    def make_tables(self) -> None:
        """Make the tables that are not there. Two processes may do it at once.

        Raises:
            UserError: a table lies elsewhere than LAKE_URL says.
        """
        with database_errors():
            with suppress(NamespaceAlreadyExistsError, IntegrityError):
                self.catalog.create_namespace(NAMESPACE)
            made = self._made_tables()
            for table in LakeTable:
                if table not in made:
                    with suppress(TableAlreadyExistsError):
                        self.catalog.create_table(
                            table.identifier,
                            table.schema,
                            self.location(table),
                            table.partition_spec,
                            properties=table.properties,
                        )

    def _made_tables(self) -> set[str]:
        with self.transaction() as connection:
            made = connection.execute(_MADE, {"catalog": CATALOG, "namespace": NAMESPACE}).all()
        for name, metadata_location in made:
            if not metadata_location.startswith(f"{self.storage.root}/{name}/"):
                raise UserError(
                    f"LAKE_URL={self.storage.root!r}: the catalog says that table {name} lies elsewhere "
                    f"({metadata_location}): set LAKE_URL to where the tables are, or use another database"
                )
        return {name for name, _ in made}

    def location(self, table: LakeTable) -> str:
        """Return the folder of a table."""
        return f"{self.storage.root}/{table}"

    def data_folder(self, table: LakeTable) -> str:
        """Return where a table's Parquet files are to be written, each under a name that is never used again."""
        return f"{self.location(table)}/data"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a transaction of the catalog's database, committed unless the block raises.

        Raises:
            psycopg.Error: the database refuses, or is gone.
        """
        with database_errors(), self.catalog.engine.begin() as connection:
            yield connection

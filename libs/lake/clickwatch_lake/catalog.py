"""pyiceberg's catalog in PostgreSQL, and commits that are written before they are shown."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from clickwatch_service import UserError
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import CommitTableResponse, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate, update_table_metadata
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from clickwatch_lake.storage import Storage
from clickwatch_lake.tables import CATALOG, NAMESPACE

DATABASE_SCHEMA = "lake"
_CONNECT_SECONDS = "10"

_SHOW = text("""
    UPDATE lake.iceberg_tables
    SET metadata_location = :location, previous_metadata_location = :base_location
    WHERE catalog_name = :catalog AND table_namespace = :namespace AND table_name = :name
        AND metadata_location = :base_location
""")


class LakeConflict(UserError):
    """Another process changed the same thing first, and nothing of this change is in the lake."""


class Overtaken(Exception):
    """A table has moved on since a commit to it was staged: stage it anew."""


@dataclass(frozen=True)
class StagedCommit:
    """A commit to one table that is written and that no reader sees.

    Attributes:
        name: the table's.
        base_location: the metadata that it stands on.
        location: the metadata that shows it.
        metadata: what that metadata says.
    """

    name: str
    base_location: str
    location: str
    metadata: TableMetadata


_STAGED: ContextVar[list[StagedCommit] | None] = ContextVar("_STAGED", default=None)


class LakeCatalog(SqlCatalog):
    """pyiceberg's catalog, whose commits wait for `show` inside a `staging` block.

    It never makes or changes a table of PostgreSQL.
    """

    def __init__(self, database_url: str, storage: Storage) -> None:
        """Open the catalog.

        Args:
            database_url: the database that the migrations have made ready.
            storage: where the files lie.

        Raises:
            UserError: the address is none of PostgreSQL's.
            psycopg.OperationalError: no database answers.
        """
        with database_errors():
            super().__init__(
                CATALOG,
                uri=_catalog_url(database_url).render_as_string(hide_password=False),
                warehouse=storage.root,
                init_catalog_tables="false",
                pool_pre_ping="true",
                **storage.io_properties,
            )

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Show a change of a table at once, or write it and keep it for `show` inside a `staging` block."""
        staged = _STAGED.get()
        if staged is None:
            return super().commit_table(table, requirements, updates)
        for requirement in requirements:
            requirement.validate(table.metadata)
        base_location = table.metadata_location
        metadata = update_table_metadata(table.metadata, updates, metadata_location=base_location)
        location = table.location_provider().new_table_metadata_file_location(_version(base_location) + 1)
        # The name is a new one: whether such a file is there need not be looked up.
        ToOutputFile.table_metadata(metadata, table.io.new_output(location), overwrite=True)
        staged.append(StagedCommit(table.name()[-1], base_location, location, metadata))
        return CommitTableResponse.model_validate({"metadata": metadata, "metadata-location": location})


class TableTransaction(Transaction):
    """A transaction that works out a table's metadata once for each change to it.

    pyiceberg's own does it at every look, some eighteen times a commit, and copies all snapshots each time: three
    quarters of the time of a commit.
    """

    _worked_out: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata of the table with the changes made so far."""
        base, updates = self._table.metadata, self._updates
        known = self._worked_out
        if known is None or known[0] is not base or known[1] is not updates:
            known = self._worked_out = (base, updates, super().table_metadata)
        return known[2]


@contextmanager
def staging() -> Iterator[list[StagedCommit]]:
    """Yield a list that takes the commits which this thread makes in the block, instead of showing them."""
    staged: list[StagedCommit] = []
    token = _STAGED.set(staged)
    try:
        yield staged
    finally:
        _STAGED.reset(token)


def show(connection: Connection, commits: Sequence[StagedCommit]) -> None:
    """Let readers see staged commits once the transaction is committed.

    Raises:
        Overtaken: a table has moved on; the transaction must end without a commit.
    """
    # In one order, so that two of them never wait for each other.
    for commit in sorted(commits, key=lambda commit: commit.name):
        shown = connection.execute(
            _SHOW,
            {
                "location": commit.location,
                "base_location": commit.base_location,
                "catalog": CATALOG,
                "namespace": NAMESPACE,
                "name": commit.name,
            },
        )
        if shown.rowcount != 1:
            raise Overtaken(commit.name)


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise psycopg's error where SQLAlchemy raises its own around it: our code asks psycopg's for SQLSTATEs."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, Exception) and not isinstance(error, IntegrityError):
            raise error.orig from None
        raise


def _version(metadata_location: str) -> int:
    """Return the number that a metadata file's name begins with: 12 of `00012-….metadata.json`."""
    return int(metadata_location.rpartition("/")[2].partition("-")[0])


def _catalog_url(database_url: str) -> URL:
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise UserError("DATABASE_URL: must be an address such as postgresql://clickwatch@localhost:5432/clickwatch")
    # pyiceberg names its tables without a schema.
    options = f"{url.query.get('options', '')} -csearch_path={DATABASE_SCHEMA}".strip()
    wait = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    return url.set(drivername="postgresql+psycopg").update_query_dict({"options": options, **wait})

"""The rows of a day in one table: replaced where they differ, and without those that the table refuses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import NamedTuple

from clickwatch_service.stores import TooManyRefused, is_refused_record, split_refused
from psycopg import Cursor, sql

from clickwatch_batch.analyses.daily import DailyReport
from clickwatch_batch.analyses.differences import Compared
from clickwatch_batch.analyses.quality import Gate

_LOCK_CLASS = 0x6461796C  # "dayl": with the day's number, one publisher a day
_ROWS_A_PROBE = 10_000
_MOST_REFUSED = 1_000
"""With more rows of a table refused the fault is not a record's."""

_COLUMNS = {
    "user_segments": ("user_id", "segment"),
    "product_performance": ("product_id", "view_count", "cart_count", "purchase_count", "rank"),
    "category_conversion": ("category", "views", "carts", "purchases", "conversion_rate", "revenue_minor"),
    "revenue_by_currency": ("currency", "revenue_minor"),
    "quality_gates": Gate._fields,
    "reconciliation": Compared._fields,
}
"""Tables with several rows a day: their columns after report_date, keys first."""

_KEYS = {"reconciliation": 2}
"""How many of these are the key beside report_date, where that is not one."""

_MAY_BE_NULL = frozenset({"warn_at", "fail_at"})
"""Columns whose NULLs are alike; only these, because no hash finds rows that are not distinct."""

_SUMMARY_COLUMNS = (
    "total_events",
    "buyer_count",
    "window_shopper_count",
    "buyer_rate",
    "revenue_minor",
    "duplicate_events",
    "malformed_lines",
    "other_day_events",
    "unfinished",
    "refused_records",
)

Row = tuple[object, ...]


class RefusedRow(NamedTuple):
    """A row that a table does not take, and the database's words."""

    table: str
    row: dict[str, object]
    error: str


def lock_day(cursor: Cursor[Row], day: date) -> None:
    """Wait for whoever publishes the same day, until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, day.toordinal()))


def require_repeatable(rows: Iterable[Row]) -> None:
    """Make sure that rows can be iterated more than once.

    Raises:
        TypeError: they are an iterator, which would be empty the second time.
    """
    if isinstance(rows, Iterator):
        raise TypeError(
            "rows are iterated anew where a transaction is repeated: hand over what can be, not an iterator"
        )


def replace_day(cursor: Cursor[Row], table: str, day: date, rows: Iterable[Row]) -> tuple[int, list[RefusedRow]]:
    """Make a table hold `rows` for a day, but for those that it refuses; return how many rows changed, and these.

    Raises:
        TooManyRefused: more rows are refused than a record's fault explains.
        Error: what else the database says.
    """
    try:
        with cursor.connection.transaction():
            return _replaced(cursor, table, day, rows), []
    except Exception as error:
        if not is_refused_record(error):
            raise
    refused = _refused(cursor, table, day, rows)
    out = {tuple(one.row.values()) for one in refused}
    taken = _Filtered(rows, lambda row: tuple(row) not in out)
    return _replaced(cursor, table, day, taken), refused


class _Filtered:
    """Some of the rows, each time they are iterated."""

    def __init__(self, rows: Iterable[Row], is_taken: Callable[[Row], bool]) -> None:
        self._rows = rows
        self._is_taken = is_taken

    def __iter__(self) -> Iterator[Row]:
        return filter(self._is_taken, iter(self._rows))


def _refused(cursor: Cursor[Row], table: str, day: date, rows: Iterable[Row]) -> list[RefusedRow]:
    """Return the rows that the table refuses, tried on it in a savepoint that is undone."""
    names = ("report_date", *_COLUMNS[table])
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )

    def store(some: Sequence[Row]) -> None:
        with cursor.connection.transaction(), cursor.copy(copy) as into:
            for row in some:
                into.write_row((day, *row))

    found: list[RefusedRow] = []
    remaining = iter(rows)
    with cursor.connection.transaction(force_rollback=True):
        cursor.execute(sql.SQL("DELETE FROM {} WHERE report_date = %s").format(sql.Identifier(table)), (day,))
        while some := list(islice(remaining, _ROWS_A_PROBE)):
            try:
                refused = split_refused(some, store, _MOST_REFUSED - len(found))
            except TooManyRefused as error:
                raise TooManyRefused(
                    f"table {table} refuses more than {_MOST_REFUSED:,} rows of {day}, the last with: {error}"
                ) from None
            found += [
                RefusedRow(table, dict(zip(_COLUMNS[table], one.row, strict=True)), one.reason) for one in refused
            ]
    return found


def _replaced(cursor: Cursor[Row], table: str, day: date, rows: Iterable[Row]) -> int:
    """Make a table hold exactly `rows` for a day; return how many rows that changed."""
    columns = _COLUMNS[table]
    names = {
        "table": sql.Identifier(table),
        "staged": sql.Identifier(f"staged_{table}"),
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "keys": sql.SQL(", ").join(map(sql.Identifier, ("report_date", *columns[: _KEYS.get(table, 1)]))),
        "same": sql.SQL(" AND ").join(
            sql.SQL(
                "staged.{0} IS NOT DISTINCT FROM kept.{0}" if name in _MAY_BE_NULL else "staged.{0} = kept.{0}"
            ).format(sql.Identifier(name))
            for name in columns
        ),
    }
    cursor.execute(
        sql.SQL("CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS SELECT {columns} FROM {table} LIMIT 0").format(
            **names
        )
    )
    with cursor.copy(sql.SQL("COPY {staged} ({columns}) FROM STDIN").format(**names)) as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(sql.SQL("ANALYZE {staged}").format(**names))
    cursor.execute(
        sql.SQL(
            "DELETE FROM {table} AS kept WHERE report_date = %s"
            " AND NOT EXISTS (SELECT FROM {staged} AS staged WHERE {same})"
        ).format(**names),
        (day,),
    )
    removed = cursor.rowcount
    cursor.execute(
        # By the key, so that a row which another rule of the table forbids is an error and not passed over.
        sql.SQL(
            "INSERT INTO {table} (report_date, {columns}) SELECT %s, {columns} FROM {staged}"
            " ON CONFLICT ({keys}) DO NOTHING"
        ).format(**names),
        (day,),
    )
    return removed + cursor.rowcount


def replace_summary(cursor: Cursor[Row], report: DailyReport, refused: int, others_changed: bool) -> datetime:
    """Make daily_summary hold the day; return its `generated_at`, the old one if nothing changed."""
    values = {
        **report.summary._asdict(),
        **vars(report.dropped),
        "unfinished": bool(report.unfinished),
        "refused_records": refused,
    }
    figures = tuple(values[name] for name in _SUMMARY_COLUMNS)
    columns = sql.SQL(", ").join(map(sql.Identifier, _SUMMARY_COLUMNS))
    cursor.execute(
        sql.SQL("SELECT generated_at, {} FROM daily_summary WHERE report_date = %s").format(columns),
        (report.report_date,),
    )
    last = cursor.fetchone()
    if last is not None and last[1:] == figures and not others_changed:
        generated_at = last[0]
        assert isinstance(generated_at, datetime)
        return generated_at
    cursor.execute("DELETE FROM daily_summary WHERE report_date = %s", (report.report_date,))
    cursor.execute(
        sql.SQL("INSERT INTO daily_summary (report_date, generated_at, {}) VALUES ({})").format(
            columns, sql.SQL(", ").join([sql.Placeholder()] * (len(figures) + 2))
        ),
        (report.report_date, report.generated_at, *figures),
    )
    return report.generated_at

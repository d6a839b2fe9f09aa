"""The serving layer: a day appears in all its tables at once, or not at all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import psycopg
import structlog
from clickwatch_service import UserError
from psycopg import Cursor, sql
from psycopg.conninfo import conninfo_to_dict
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from clickwatch_batch.daily import CategoryConversion, DailyReport, ProductPerformance, UserSegment
from clickwatch_batch.quality import HISTORY_DAYS, Gate, Verdict
from clickwatch_batch.reconciliation import METRICS, Compared

_LOCK_CLASS = 0x6461796C  # "dayl": with the day's number, one publisher a day
_PAUSE_SECONDS = 0.5

_DAY_TABLES = {
    "user_segments": ("user_id", "segment"),
    "product_performance": ("product_id", "view_count", "cart_count", "purchase_count", "rank"),
    "category_conversion": ("category", "views", "carts", "purchases", "conversion_rate", "revenue_minor"),
    "quality_gates": Gate._fields,
    "reconciliation": Compared._fields,
}
"""Tables with several rows a day: their columns after report_date, keys first."""

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
)


class ServingLayer:
    """The tables the batch layer fills."""

    def __init__(self, database_url: str, wait_timeout: timedelta) -> None:
        """Publish to `database_url`; wait for it up to `wait_timeout`."""
        self._database_url = database_url
        self._wait_timeout = wait_timeout

    def check(self) -> None:
        """Make sure that publishing can work, before a day is analysed for nothing.

        Raises:
            UserError: the database does not answer in time, has no tables or refuses this role.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT FROM daily_summary LIMIT 0")

    def publish(
        self,
        report: DailyReport,
        segments: Iterable[UserSegment],
        products: Iterable[ProductPerformance],
        categories: Iterable[CategoryConversion],
    ) -> datetime:
        """Replace a day in all tables in one transaction; return the day's `generated_at`.

        Only rows that differ are touched. Where none does, `generated_at` stays what it was, so that a
        rerun leaves identical tables; else it becomes the report's.

        Raises:
            UserError: the database does not answer, has no tables, or refuses.
        """
        day = report.report_date
        rows: dict[str, Iterable[tuple[object, ...]]] = {
            "user_segments": segments,
            "product_performance": products,
            "category_conversion": categories,
        }
        with self._transaction() as cursor:
            _lock_day(cursor, day)
            changed = 0
            for table, its_rows in rows.items():
                changed += _replace_day(cursor, table, _DAY_TABLES[table], day, its_rows)
            return _replace_summary(cursor, report, changed > 0)

    def generated_at(self, day: date) -> datetime:
        """Return when the published figures of a day last changed.

        Raises:
            UserError: the day is not published, or the database does not answer.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT generated_at FROM daily_summary WHERE report_date = %s", (day,))
            row = cursor.fetchone()
        if row is None:
            raise UserError(
                f"DATABASE_URL={self._address()}: table daily_summary does not hold {day}; publish it: "
                f"`run --date {day}`"
            )
        assert isinstance(row[0], datetime)
        return row[0]

    def recent_totals(self, day: date) -> list[int]:
        """Return the events of each published day among those before a day that its volume is held against."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT total_events FROM daily_summary"
                " WHERE report_date < %(day)s AND report_date >= %(day)s - %(days)s ORDER BY report_date",
                {"day": day, "days": HISTORY_DAYS},
            )
            return [int(str(total)) for (total,) in cursor]

    def replace_gates(self, day: date, gates: Iterable[Gate]) -> None:
        """Make quality_gates hold these verdicts on a day, in one transaction."""
        self._replace("quality_gates", day, gates)

    def replace_reconciliation(self, day: date, rows: Iterable[Compared]) -> None:
        """Make reconciliation hold these rows of a day, in one transaction."""
        self._replace("reconciliation", day, rows)

    def gates(self, day: date) -> tuple[Gate, ...]:
        """Return the verdicts on a day."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT gate, measured, warn_at, fail_at, verdict, note FROM quality_gates WHERE report_date = %s"
                " ORDER BY array_position(ARRAY['malformed', 'duplicates', 'volume'], gate), gate",
                (day,),
            )
            found = map(Gate._make, cursor.fetchall())
            return tuple(gate._replace(verdict=Verdict(gate.verdict)) for gate in found)

    def reconciliation(self, day: date, products: int) -> tuple[Compared, ...]:
        """Return the totals of a day's reconciliation, then the counts of products that differ most.

        Args:
            day: the UTC day.
            products: at most so many of the latter.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT metric, product_id, speed_value, batch_value, difference, late, duplicate, quarantined,"
                " unexplained FROM reconciliation WHERE report_date = %s"
                " ORDER BY product_id <> '', CASE WHEN product_id <> '' THEN abs(unexplained) END DESC,"
                " CASE WHEN product_id <> '' THEN abs(difference) END DESC,"
                " array_position(ARRAY['total_events', 'views', 'carts', 'purchases'], metric), product_id"
                " LIMIT %s",
                (day, len(METRICS) + products),
            )
            return tuple(map(Compared._make, cursor.fetchall()))

    def _replace(self, table: str, day: date, rows: Iterable[tuple[object, ...]]) -> None:
        with self._transaction() as cursor:
            _lock_day(cursor, day)
            _replace_day(cursor, table, _DAY_TABLES[table], day, rows)

    @contextmanager
    def _transaction(self) -> Iterator[Cursor[tuple[object, ...]]]:
        try:
            with self._connected() as connection, connection.cursor() as cursor:
                yield cursor
        except psycopg.errors.UndefinedTable as error:
            raise UserError(
                f"DATABASE_URL={self._address()}: {_one_line(error)}; "
                "bring the database up to date with db-migrations upgrade"
            ) from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise UserError(
                f"DATABASE_URL={self._address()}: {_one_line(error)}; connect as clickwatch_batch or the owner"
            ) from None
        except psycopg.OperationalError as error:
            raise UserError(
                f"DATABASE_URL={self._address()}: the database went away: {_one_line(error)}; "
                "nothing of the day was published, run it again"
            ) from None

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        log = structlog.get_logger()
        reasons: list[str] = []

        def say_why(state: RetryCallState) -> None:
            assert state.outcome is not None
            reason = _one_line(state.outcome.exception())
            if reason not in reasons:
                log.info("waited_for_database", address=self._address(), reason=reason)
                reasons.append(reason)

        retrying = Retrying(
            retry=retry_if_exception_type(psycopg.OperationalError),
            stop=stop_after_delay(self._wait_timeout),
            wait=wait_fixed(_PAUSE_SECONDS),
            before_sleep=say_why,
            reraise=True,
        )
        try:
            return retrying(psycopg.connect, self._database_url, connect_timeout=5, application_name="clickwatch-batch")
        except psycopg.OperationalError as error:
            raise UserError(
                f"DATABASE_URL={self._address()}: no connection within WAIT_TIMEOUT "
                f"({self._wait_timeout.total_seconds():g} s): {_one_line(error)}; start the database, "
                "correct the address, or pass --no-publish"
            ) from None
        except psycopg.ProgrammingError as error:
            raise UserError(f"DATABASE_URL: is no address: {_one_line(error)}") from None

    def _address(self) -> str:
        """Return the address without its password."""
        parts = conninfo_to_dict(self._database_url)
        place = f"{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
        return f"postgresql://{parts.get('user', '')}@{place}"


def _lock_day(cursor: Cursor[tuple[object, ...]], day: date) -> None:
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, day.toordinal()))


def _replace_day(
    cursor: Cursor[tuple[object, ...]],
    table: str,
    columns: tuple[str, ...],
    day: date,
    rows: Iterable[tuple[object, ...]],
) -> int:
    """Make a table hold exactly `rows` for a day; return how many rows that changed."""
    names = {
        "table": sql.Identifier(table),
        "staged": sql.Identifier(f"staged_{table}"),
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
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
        sql.SQL(
            "INSERT INTO {table} (report_date, {columns}) SELECT %s, {columns} FROM {staged} ON CONFLICT DO NOTHING"
        ).format(**names),
        (day,),
    )
    return removed + cursor.rowcount


def _replace_summary(cursor: Cursor[tuple[object, ...]], report: DailyReport, others_changed: bool) -> datetime:
    """Make daily_summary hold the day; return its `generated_at`, the old one if nothing changed."""
    values = {**report.summary._asdict(), **vars(report.dropped)}
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


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())

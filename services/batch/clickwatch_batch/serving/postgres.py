"""The serving layer: a day appears in all its tables at once, or not at all."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeVar

import psycopg
import structlog
from clickwatch_service import UserError
from clickwatch_service.limits import TookTooLong, within
from clickwatch_service.stores import TooManyRefused, is_outage, is_refused_record, reason_of
from psycopg import Cursor
from psycopg.conninfo import conninfo_to_dict
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from clickwatch_batch.analyses.daily import CategoryConversion, DailyReport, ProductPerformance, UserSegment
from clickwatch_batch.analyses.differences import METRICS, Compared
from clickwatch_batch.analyses.quality import HISTORY_DAYS, Gate, Verdict
from clickwatch_batch.serving.day_tables import RefusedRow, lock_day, replace_day, replace_summary, require_repeatable

_PAUSE_SECONDS = 0.5
_ATTEMPTS = 3
"""How often a transaction is begun that an outage ends; for each the database is waited for."""

T = TypeVar("T")


class Published(NamedTuple):
    """What became of a day: when its figures last changed, and the rows that a table refused."""

    generated_at: datetime
    refused: tuple[RefusedRow, ...]


class ServingLayer:
    """The tables the batch layer fills."""

    def __init__(self, database_url: str, wait_timeout: timedelta, limit: timedelta = timedelta(hours=1)) -> None:
        """Publish to `database_url`.

        Args:
            database_url: the database, as a role that may write the daily tables.
            wait_timeout: how long to wait for a connection.
            limit: how long one transaction may take before the database counts as standing still.
        """
        self._database_url = database_url
        self._wait_timeout = wait_timeout
        self._limit = limit

    def check(self) -> None:
        """Make sure that publishing can work, before a day is analysed for nothing.

        Raises:
            UserError: the database does not answer in time, lacks tables or columns, or refuses this role.
        """

        def look(cursor: Cursor[tuple[object, ...]]) -> None:
            cursor.execute("SELECT unfinished, refused_records FROM daily_summary LIMIT 0")
            cursor.execute("SELECT FROM revenue_by_currency LIMIT 0")

        self._in_transaction(look)

    def publish(
        self,
        report: DailyReport,
        segments: Iterable[UserSegment],
        products: Iterable[ProductPerformance],
        categories: Iterable[CategoryConversion],
    ) -> Published:
        """Replace a day in all tables in one transaction; rows that a table refuses are left out and returned.

        Only rows that differ are touched. Where none does, `generated_at` stays what it was, so that a
        rerun leaves identical tables; else it becomes the report's.

        Args:
            report: the day.
            segments: its rows of user_segments. Like the next two they are iterated anew where the transaction
                is repeated or a row is refused, so an iterator will not do.
            products: those of product_performance.
            categories: those of category_conversion.

        Raises:
            UserError: the database does not answer, has no tables, or refuses the day as a whole.
        """
        day = report.report_date
        rows: dict[str, Iterable[tuple[object, ...]]] = {
            "user_segments": segments,
            "product_performance": products,
            "category_conversion": categories,
            "revenue_by_currency": report.revenue,
        }
        for its_rows in rows.values():
            require_repeatable(its_rows)

        def replace(cursor: Cursor[tuple[object, ...]]) -> Published:
            lock_day(cursor, day)
            changed = 0
            refused: list[RefusedRow] = []
            for table, its_rows in rows.items():
                differing, not_taken = replace_day(cursor, table, day, its_rows)
                changed += differing
                refused += not_taken
            return Published(replace_summary(cursor, report, len(refused), changed > 0), tuple(refused))

        return self._in_transaction(replace, "nothing of the day was published")

    def published(self, day: date) -> tuple[datetime, int]:
        """Return when the published figures of a day last changed, and how many of its rows were refused.

        Raises:
            UserError: the day is not published, or the database does not answer.
        """
        query = "SELECT generated_at, refused_records FROM daily_summary WHERE report_date = %s"
        row = self._in_transaction(lambda cursor: cursor.execute(query, (day,)).fetchone())
        if row is None:
            raise UserError(
                f"DATABASE_URL={self._address()}: table daily_summary does not hold {day}; publish it: "
                f"`run --date {day}`"
            )
        generated_at, refused = row
        assert isinstance(generated_at, datetime)
        assert isinstance(refused, int)
        return generated_at, refused

    def recent_totals(self, day: date) -> list[int]:
        """Return the events of each whole day among those before a day that its volume is held against."""
        query = (
            "SELECT total_events FROM daily_summary WHERE NOT unfinished"
            " AND report_date < %(day)s AND report_date >= %(day)s - %(days)s ORDER BY report_date"
        )
        values = {"day": day, "days": HISTORY_DAYS}
        found = self._in_transaction(lambda cursor: cursor.execute(query, values).fetchall())
        return [int(str(total)) for (total,) in found]

    def replace_gates(self, day: date, gates: Iterable[Gate]) -> None:
        """Make quality_gates hold these verdicts on a day, in one transaction."""
        self._replace("quality_gates", day, tuple(gates))

    def replace_reconciliation(self, day: date, rows: Iterable[Compared]) -> None:
        """Make reconciliation hold these rows of a day, in one transaction; the log names rows that it refuses."""
        for refused in self._replace("reconciliation", day, tuple(rows)):
            structlog.get_logger().warning("refused_record", **refused._asdict())

    def gates(self, day: date) -> tuple[Gate, ...]:
        """Return the verdicts on a day."""
        query = (
            "SELECT gate, measured, warn_at, fail_at, verdict, note FROM quality_gates WHERE report_date = %s"
            " ORDER BY array_position(ARRAY['malformed', 'duplicates', 'other_day', 'volume'], gate), gate"
        )
        found = map(Gate._make, self._in_transaction(lambda cursor: cursor.execute(query, (day,)).fetchall()))
        return tuple(gate._replace(verdict=Verdict(gate.verdict)) for gate in found)

    def reconciliation(self, day: date, products: int) -> tuple[Compared, ...]:
        """Return the totals of a day's reconciliation, then the counts of products that differ most.

        Args:
            day: the UTC day.
            products: at most so many of the latter.
        """
        query = (
            "SELECT metric, product_id, speed_value, batch_value, difference, late, duplicate, quarantined,"
            " unexplained FROM reconciliation WHERE report_date = %s"
            " ORDER BY product_id <> '', CASE WHEN product_id <> '' THEN abs(unexplained) END DESC,"
            " CASE WHEN product_id <> '' THEN abs(difference) END DESC,"
            " array_position(ARRAY['total_events', 'views', 'carts', 'purchases'], metric), product_id"
            " LIMIT %s"
        )
        values = (day, len(METRICS) + products)
        return tuple(map(Compared._make, self._in_transaction(lambda cursor: cursor.execute(query, values).fetchall())))

    def _replace(self, table: str, day: date, rows: tuple[tuple[object, ...], ...]) -> list[RefusedRow]:
        def replace(cursor: Cursor[tuple[object, ...]]) -> list[RefusedRow]:
            lock_day(cursor, day)
            return replace_day(cursor, table, day, rows)[1]

        return self._in_transaction(replace)

    def _in_transaction(
        self, work: Callable[[Cursor[tuple[object, ...]]], T], undone: str = "nothing was changed"
    ) -> T:
        """Do work in one transaction, and say what the database's errors mean to the one who runs the day."""
        retrying = Retrying(
            retry=retry_if_exception(_is_outage),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_fixed(_PAUSE_SECONDS),
            before_sleep=lambda state: structlog.get_logger().warning(
                "repeated_transaction", reason=reason_of(_failure(state))
            ),
            reraise=True,
        )
        try:
            done: T = retrying(self._attempt_within_limit, work)
        except TookTooLong:
            raise UserError(
                f"DATABASE_URL={self._address()}: the database stands still: a transaction has not come to its end "
                f"within DATABASE_TIMEOUT ({self._limit.total_seconds():g} s), and whether it will is not known; see "
                "what holds the database up, then run it again"
            ) from None
        except (psycopg.Error, TooManyRefused) as error:
            raise UserError(f"DATABASE_URL={self._address()}: {_explained(error, undone)}") from None
        return done

    def _attempt_within_limit(self, work: Callable[[Cursor[tuple[object, ...]]], T]) -> T:
        # A server that is frozen answers nothing, and no option of the connection ends a wait for it.
        return within(self._limit.total_seconds(), "transaction", lambda: self._attempt(work))

    def _attempt(self, work: Callable[[Cursor[tuple[object, ...]]], T]) -> T:
        with self._connected() as connection, connection.cursor() as cursor:
            return work(cursor)

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        reasons: list[str] = []

        def say_why(state: RetryCallState) -> None:
            reason = reason_of(_failure(state))
            if reason not in reasons:
                structlog.get_logger().info("waited_for_database", address=self._address(), reason=reason)
                reasons.append(reason)

        retrying = Retrying(
            retry=retry_if_exception(_is_outage),
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
                f"({self._wait_timeout.total_seconds():g} s): {reason_of(error)}; start the database, "
                "correct the address, or pass --no-publish"
            ) from None
        except psycopg.ProgrammingError as error:
            raise UserError(f"DATABASE_URL: is no address: {reason_of(error)}") from None

    def _address(self) -> str:
        """Return the address without its password."""
        parts = conninfo_to_dict(self._database_url)
        place = f"{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
        return f"postgresql://{parts.get('user', '')}@{place}"


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, Exception) and is_outage(error)


def _failure(state: RetryCallState) -> BaseException:
    error = None if state.outcome is None else state.outcome.exception()
    assert error is not None
    return error


def _explained(error: psycopg.Error | TooManyRefused, undone: str) -> str:
    """Return what is wrong, and what helps: to run it again is said only where that can."""
    reason = reason_of(error)
    if isinstance(error, TooManyRefused):
        return f"{reason}; {undone}, and running it again changes nothing: see that table's rules"
    if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)):
        return f"{reason}; bring the database up to date with db-migrations upgrade"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{reason}; connect as clickwatch_batch or the owner"
    if is_outage(error):
        return f"the database went away: {reason}; {undone}, run it again"
    what = "the database refuses the day" if is_refused_record(error) else "the database cannot do what was asked"
    return f"{what}: {reason}; {undone}, and running it again changes nothing"

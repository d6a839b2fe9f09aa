"""The database: waiting for it, and one locked transaction for each command."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from clickwatch_service import UserError
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

_LOCK_KEY = 0x636C69636B  # "click": one migration at a time in a database
_PAUSE_SECONDS = 0.5


def connect_when_ready(database_url: str, wait_timeout: timedelta) -> Engine:
    """Return an engine for a database that has answered once.

    Args:
        database_url: SQLAlchemy address with the psycopg driver.
        wait_timeout: when to give up; each new reason for waiting is logged.

    Raises:
        UserError: no connection within the time, with the database's last word.
    """
    engine = create_engine(database_url, connect_args={"connect_timeout": 5})
    address = engine.url.render_as_string(hide_password=True)
    log = structlog.get_logger()
    reasons: list[str] = []

    def say_why(state: RetryCallState) -> None:
        assert state.outcome is not None
        reason = _reason(state.outcome.exception())
        if reason not in reasons:
            log.info("waited_for_database", address=address, reason=reason)
            reasons.append(reason)

    retrying = Retrying(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_after_delay(wait_timeout),
        wait=wait_fixed(_PAUSE_SECONDS),
        before_sleep=say_why,
        reraise=True,
    )
    try:
        retrying(_connect_once, engine)
    except OperationalError as error:
        raise UserError(
            f"DATABASE_URL={address}: no connection within WAIT_TIMEOUT "
            f"({wait_timeout.total_seconds():g} s): {_reason(error)}; start the database, "
            "correct the address or raise WAIT_TIMEOUT"
        ) from None
    return engine


@contextmanager
def locked_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that no other migration of this database runs beside.

    Raises:
        UserError: the database's role may not do what the block asks of it.
    """
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            yield connection
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise UserError(
            f"DATABASE_URL={engine.url.render_as_string(hide_password=True)}: its role may not do this: "
            f"{_reason(error)}; migrate as the owner of the database, a role with CREATEROLE"
        ) from None


def _connect_once(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _reason(error: BaseException | None) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())

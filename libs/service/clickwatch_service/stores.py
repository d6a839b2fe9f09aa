"""What an error of a database means: an outage that passes, a record it will never take, or a fault of ours.

An outage is waited out. A refused record is set aside and everything else goes on, because the same record is
refused again tomorrow. A fault stops the service with its reason: neither waiting nor another record mends it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import psycopg

Row = TypeVar("Row")


class Trouble(StrEnum):
    """What an error of a database means for whoever wrote to it."""

    OUTAGE = "outage"
    REFUSED_RECORD = "refused record"
    FAULT = "fault"


_OUTAGE_CLASSES = {
    "08",  # connection exception
    "40",  # transaction rollback: a deadlock, two transactions at once
    "53",  # insufficient resources: disk, memory, connections
    "57",  # operator intervention: shutdown, start-up, a cancelled query
    "58",  # the system beneath the database: a disk that does not answer
}
_OUTAGES = {
    "25006",  # read only: a standby answers where the primary was
    "25P03",  # the transaction was idle for too long
    "25P04",  # the transaction took too long
    "55P03",  # a lock is not to be had now
}
_RECORD_CLASSES = {
    "22",  # data exception: a NUL, a number out of range, a text that is too long
    "23",  # integrity constraint violation
    "44",  # the check option of a view
    "54",  # program limit exceeded: a row too large for its index
}
_RECORDS = {
    "P0001",  # raised by a trigger: a rule that the owner of the database made
}


def trouble_of(error: Exception) -> Trouble:
    """Return what an error means, by its SQLSTATE.

    What psycopg finds before it sends anything has no SQLSTATE: then a lost connection is an outage, and a
    value that no text or number of PostgreSQL can hold is a refused record.
    """
    if isinstance(error, UnicodeEncodeError):  # half of a surrogate pair, which UTF-8 cannot hold
        return Trouble.REFUSED_RECORD
    if not isinstance(error, psycopg.Error):
        return Trouble.FAULT
    state = error.sqlstate
    if state is None:
        if isinstance(error, psycopg.OperationalError):
            return Trouble.OUTAGE
        return Trouble.REFUSED_RECORD if isinstance(error, psycopg.DataError) else Trouble.FAULT
    if state in _OUTAGES or state[:2] in _OUTAGE_CLASSES:
        return Trouble.OUTAGE
    if state in _RECORDS or state[:2] in _RECORD_CLASSES:
        return Trouble.REFUSED_RECORD
    return Trouble.FAULT


def is_outage(error: Exception) -> bool:
    """Whether waiting and trying again can mend it."""
    return trouble_of(error) is Trouble.OUTAGE


def is_refused_record(error: Exception) -> bool:
    """Whether the database will never take this record, and takes others."""
    return trouble_of(error) is Trouble.REFUSED_RECORD


@dataclass(frozen=True)
class Refused(Generic[Row]):
    """A row that the store does not take.

    Attributes:
        row: the row.
        reason: the store's words, on one line, with the SQLSTATE where there is one.
    """

    row: Row
    reason: str


class TooManyRefused(Exception):
    """More rows were refused than one caller wants to find one by one; the message is the last one's reason."""


def split_refused(
    rows: Sequence[Row], store: Callable[[Sequence[Row]], None], most: int | None = None
) -> list[Refused[Row]]:
    """Store all rows that can be stored, in their order, and return the others with the store's words.

    A batch that is refused is halved until the row is found: a refused row among n costs about 2 log2(n) calls.

    Args:
        rows: the batch.
        store: stores all of the rows it is given or none of them, as within `with connection.transaction():`,
            and raises what the database raised.
        most: how many refused rows are looked for; None is any number.

    Raises:
        TooManyRefused: there are more than `most`.
        Exception: an outage or a fault (see `trouble_of`), as `store` raised it.
    """
    refused: list[Refused[Row]] = []
    # The batches still to be stored, the next one last.
    waiting = [rows] if rows else []
    while waiting:
        batch = waiting.pop()
        try:
            store(batch)
        except Exception as error:
            if not is_refused_record(error):
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                waiting += [batch[middle:], batch[:middle]]
                continue
            refused.append(Refused(batch[0], reason_of(error)))
            if most is not None and len(refused) > most:
                raise TooManyRefused(reason_of(error)) from error
    return refused


def reason_of(error: BaseException) -> str:
    """Return a store's words on one line, with the SQLSTATE where there is one."""
    text = " ".join(str(error).split())
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"{text} (SQLSTATE {state})" if state else text

"""The outbox and what is kept of deliveries, over one connection.

Nothing is sent before the transaction that claims it is on disk. The change itself, which was written with less
care, is on disk by then too: so a crash of the database takes back nothing that a person has been told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from clickwatch_service import UserError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from clickwatch_notifier.changes import Change, Status
from clickwatch_notifier.channels import Channel
from clickwatch_notifier.composing import MOST_IN_A_DIGEST, Compose, MessageKind, Waiting
from clickwatch_notifier.messages import Message

_MOST_PLANNED = 5_000
_MOST_FORGOTTEN = 10_000
_PLANNER_LOCK = 4_916_001
_LIMITS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}

_UNPLANNED = """
    SELECT EXISTS (SELECT FROM notification_snoozes AS s
                    WHERE s.product_id = o.product_id
                      AND o.changed_at >= s.snoozed_from AND o.changed_at < s.snoozed_until),
           o.id, o.product_id, o.product_category, o.window_start, o.window_end, o.views, o.purchases,
           o.status_before, o.status, o.changed_at
      FROM alert_outbox AS o
     WHERE o.planned_at IS NULL
     ORDER BY o.id
     LIMIT %(most)s
       FOR UPDATE OF o
"""
_PLAN = """
    INSERT INTO notification_deliveries (outbox_id, channel, state)
    SELECT * FROM unnest(%(ids)s::bigint[], %(channels)s::text[], %(states)s::text[])
"""
_WAITING = """
    SELECT d.planned_at, o.id, o.product_id, o.product_category, o.window_start, o.window_end, o.views, o.purchases,
           o.status_before, o.status, o.changed_at
      FROM notification_deliveries AS d JOIN alert_outbox AS o ON o.id = d.outbox_id
     WHERE d.channel = %(channel)s AND d.state = 'waiting'
     ORDER BY d.outbox_id
     LIMIT %(most)s
"""
_RECENT = """
    SELECT made_at FROM notification_messages
     WHERE channel = %(channel)s AND made_at > clock_timestamp() - %(within)s
     ORDER BY made_at
"""
_COMPOSE = """
    INSERT INTO notification_messages (channel, kind) VALUES (%(channel)s, %(kind)s)
        ON CONFLICT (channel) WHERE state = 'waiting' DO NOTHING
    RETURNING id
"""
_TAKE = """
    UPDATE notification_deliveries SET state = 'in_message', message_id = %(message)s
     WHERE channel = %(channel)s AND outbox_id = ANY (%(ids)s) AND state = 'waiting'
"""
_CLAIM = """
    UPDATE notification_messages
       SET attempts = attempts + 1, next_attempt = clock_timestamp() + %(lease)s
     WHERE id = (SELECT id FROM notification_messages
                  WHERE channel = %(channel)s AND state = 'waiting' AND next_attempt <= clock_timestamp()
                    FOR UPDATE SKIP LOCKED)
    RETURNING id, key, kind, made_at, attempts
"""
_CHANGES = """
    SELECT o.id, o.product_id, o.product_category, o.window_start, o.window_end, o.views, o.purchases,
           o.status_before, o.status, o.changed_at
      FROM notification_deliveries AS d JOIN alert_outbox AS o ON o.id = d.outbox_id
     WHERE d.message_id = %(message)s
     ORDER BY o.id
"""
_END = """
    WITH ended AS (
        UPDATE notification_messages SET state = %(state)s, last_error = %(error)s, ended_at = clock_timestamp()
         WHERE id = %(message)s AND state = 'waiting'
        RETURNING id
    )
    UPDATE notification_deliveries SET state = %(state)s WHERE message_id IN (SELECT id FROM ended)
"""
_POSTPONE = """
    UPDATE notification_messages SET next_attempt = clock_timestamp() + %(pause)s, last_error = %(error)s
     WHERE id = %(message)s AND state = 'waiting'
"""
_AGAIN = """
    UPDATE notification_deliveries SET state = 'waiting', message_id = NULL
     WHERE channel = %(channel)s AND state = 'given_up'
"""
_FORGET = """
    DELETE FROM alert_outbox
     WHERE id IN (SELECT o.id FROM alert_outbox AS o
                   WHERE o.planned_at IS NOT NULL AND o.changed_at < clock_timestamp() - %(keep)s
                     AND NOT EXISTS (SELECT FROM notification_deliveries AS d
                                      WHERE d.outbox_id = o.id AND d.state IN ('waiting', 'in_message'))
                   LIMIT %(most)s)
"""
_FORGET_MESSAGES = """
    DELETE FROM notification_messages AS m
     WHERE m.ended_at < clock_timestamp() - %(keep)s
       AND NOT EXISTS (SELECT FROM notification_deliveries AS d WHERE d.message_id = m.id)
"""
_BACKLOGS = """
    SELECT d.channel, count(*), min(d.planned_at)
      FROM notification_deliveries AS d
     WHERE d.state IN ('waiting', 'in_message')
     GROUP BY d.channel
"""


@dataclass(frozen=True)
class Claimed:
    """A message that this process tries now.

    Attributes:
        number: its row.
        message: what is sent.
        attempts: how often it was tried, with this attempt.
    """

    number: int
    message: Message
    attempts: int


@dataclass(frozen=True)
class Backlog:
    """What a channel has not been told yet.

    Attributes:
        waiting: changes in their order.
        recent: when its latest messages were made.
        now: the database's time.
        next_attempt: when the message that is being tried is tried again; None where there is none.
    """

    waiting: list[Waiting]
    recent: list[datetime]
    now: datetime
    next_attempt: datetime | None


class Store:
    """A connection to the serving layer."""

    def __init__(self, database_url: str) -> None:
        """Connect.

        Raises:
            psycopg.OperationalError: the database does not answer, or refuses.
        """
        self._connection = psycopg.connect(
            make_conninfo("", **{**_LIMITS, **conninfo_to_dict(database_url)}),
            application_name="clickwatch notifier",
            options="-c timezone=UTC -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
            autocommit=True,
        )

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def listen(self) -> None:
        """Be told when the outbox grows; see `wait`."""
        self._connection.execute("LISTEN alert_outbox")

    def wait(self, seconds: float) -> None:
        """Return when the outbox has grown, or after that time."""
        for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            pass

    def first_seen(self, channels: Iterable[Channel]) -> dict[str, datetime]:
        """Return since when each channel hears of changes, which is now for a new one."""
        names = [one.name for one in channels]
        with self._connection.transaction():
            self._connection.execute(
                "INSERT INTO notification_channels (channel) SELECT * FROM unnest(%s::text[]) ON CONFLICT DO NOTHING",
                [names],
            )
            rows = self._connection.execute(
                "SELECT channel, first_seen FROM notification_channels WHERE channel = ANY (%s)", [names]
            ).fetchall()
        return dict(rows)

    def plan(self, channels: Sequence[Channel], first_seen: dict[str, datetime]) -> int:
        """Decide who hears of the changes that nobody decided on yet, and return how many changes there were.

        Only one process plans at a time, so that changes wait in their order.
        """
        with self._connection.transaction():
            mine = self._connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_PLANNER_LOCK]).fetchone()
            if mine != (True,):
                return 0
            rows = self._connection.execute(_UNPLANNED, {"most": _MOST_PLANNED}).fetchall()
            planned = [
                (change.outbox_id, channel.name, "snoozed" if is_snoozed else "waiting")
                for is_snoozed, change in ((row[0], _change(row[1:])) for row in rows)
                for channel in channels
                if channel.wants(change) and change.changed_at >= first_seen[channel.name]
            ]
            ids, names, states = map(list, zip(*planned, strict=True)) if planned else ([], [], [])
            self._connection.execute(_PLAN, {"ids": ids, "channels": names, "states": states})
            self._connection.execute(
                "UPDATE alert_outbox SET planned_at = clock_timestamp() WHERE id = ANY (%s)", [[row[1] for row in rows]]
            )
        return len(rows)

    def backlog(self, channel: Channel) -> Backlog:
        """Return what a channel has not been told yet."""
        parameters = {"channel": channel.name, "within": channel.within, "most": MOST_IN_A_DIGEST}
        with self._connection.transaction():
            found = self._connection.execute(
                "SELECT next_attempt FROM notification_messages WHERE channel = %(channel)s AND state = 'waiting'",
                parameters,
            ).fetchone()
            waiting = [] if found else self._connection.execute(_WAITING, parameters).fetchall()
            recent = self._connection.execute(_RECENT, parameters).fetchall()
            now = self._connection.execute("SELECT clock_timestamp()").fetchone()
        assert now is not None
        return Backlog(
            [Waiting(_change(row[1:]), row[0]) for row in waiting],
            [row[0] for row in recent],
            now[0],
            found[0] if found else None,
        )

    def compose(self, channel: Channel, composed: Compose) -> bool:
        """Make a message; False where another process was faster."""
        name, ids = channel.name, list(composed.outbox_ids)
        with self._connection.transaction():
            row = self._connection.execute(_COMPOSE, {"channel": name, "kind": str(composed.kind)}).fetchone()
            if row is None:
                return False
            taken = self._connection.execute(_TAKE, {"message": row[0], "channel": name, "ids": ids}).rowcount
            if taken != len(ids):
                raise psycopg.Rollback
        return taken == len(ids)

    def claim(self, channel: Channel, lease: timedelta) -> Claimed | None:
        """Return the message to try now; None where there is none, or another process tries it.

        It is on disk that it is tried before this returns. If this process dies, another tries it after `lease`.
        """
        with self._connection.transaction():
            row = self._connection.execute(_CLAIM, {"channel": channel.name, "lease": lease}).fetchone()
            if row is None:
                return None
            number, key, kind, made_at, attempts = row
            changes = self._connection.execute(_CHANGES, {"message": number}).fetchall()
        message = Message(key, channel.name, MessageKind(kind), made_at, tuple(_change(one) for one in changes))
        return Claimed(number, message, attempts)

    def sent(self, claimed: Claimed) -> None:
        """Keep that a message was taken."""
        self._connection.execute(_END, {"message": claimed.number, "state": "sent", "error": None})

    def given_up(self, claimed: Claimed, error: str) -> None:
        """Keep that a message is not tried any more."""
        self._connection.execute(_END, {"message": claimed.number, "state": "given_up", "error": error})

    def postpone(self, claimed: Claimed, pause: timedelta, error: str) -> None:
        """Keep why a message was not taken, and try it again after `pause`."""
        self._connection.execute(_POSTPONE, {"message": claimed.number, "pause": pause, "error": error})

    def try_again(self, channel: str) -> int:
        """Let what was given up for a channel wait anew, and return how many changes that are."""
        return self._connection.execute(_AGAIN, {"channel": channel}).rowcount

    def snooze(self, product: str, length: timedelta, who: str) -> datetime:
        """Tell nobody of a product for some time, and return until when."""
        row = self._connection.execute(
            "INSERT INTO notification_snoozes (product_id, snoozed_until, who)"
            " VALUES (%s, clock_timestamp() + %s, %s) RETURNING snoozed_until",
            [product, length, who],
        ).fetchone()
        assert row is not None
        until: datetime = row[0]
        return until

    def forget(self, keep: timedelta) -> bool:
        """Delete what was told longer ago than `keep`; False where there is more of it."""
        gone = self._connection.execute(_FORGET, {"keep": keep, "most": _MOST_FORGOTTEN}).rowcount
        self._connection.execute(_FORGET_MESSAGES, {"keep": keep})
        return gone < _MOST_FORGOTTEN

    def backlogs(self) -> dict[str, tuple[int, datetime]]:
        """Return for each channel that has not been told of all: how many changes, and since when."""
        return {name: (count, oldest) for name, count, oldest in self._connection.execute(_BACKLOGS).fetchall()}


def explained(error: psycopg.Error) -> UserError:
    """Return what to do about a fault of the database."""
    text = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.UndefinedTable):
        return UserError(f"DATABASE_URL: {text}: the tables are not there, run the migrations")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return UserError(f"DATABASE_URL: {text}: use the role clickwatch_notifier")
    return UserError(f"DATABASE_URL: {text}")


def _change(row: Sequence[object]) -> Change:
    number, product, category, start, end, views, purchases, before, status, changed_at = row
    assert isinstance(number, int)
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    assert isinstance(changed_at, datetime)
    assert isinstance(views, int)
    assert isinstance(purchases, int)
    return Change(
        number,
        str(product),
        str(category),
        start,
        end,
        views,
        purchases,
        None if before is None else Status(str(before)),
        Status(str(status)),
        changed_at,
    )

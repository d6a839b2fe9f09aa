"""`status`: what waits, and what was given up."""

from collections.abc import Iterator

import psycopg
from clickwatch_service.shown import one_line

_CHANNELS = """
    SELECT c.channel,
           count(*) FILTER (WHERE d.state IN ('waiting', 'in_message')),
           min(d.planned_at) FILTER (WHERE d.state IN ('waiting', 'in_message')),
           count(*) FILTER (WHERE d.state = 'sent'),
           count(*) FILTER (WHERE d.state = 'given_up'),
           count(*) FILTER (WHERE d.state = 'snoozed')
      FROM notification_channels AS c LEFT JOIN notification_deliveries AS d USING (channel)
     GROUP BY c.channel
     ORDER BY c.channel
"""
_TRIED = """
    SELECT channel, attempts, next_attempt, last_error
      FROM notification_messages
     WHERE state = 'waiting'
     ORDER BY channel
"""
_GIVEN_UP = """
    SELECT m.channel, m.ended_at, m.attempts, m.last_error, count(*)
      FROM notification_messages AS m JOIN notification_deliveries AS d ON d.message_id = m.id
     WHERE m.state = 'given_up'
     GROUP BY m.id
     ORDER BY m.ended_at DESC
     LIMIT 10
"""
_SNOOZES = """
    SELECT product_id, snoozed_until, who FROM notification_snoozes
     WHERE snoozed_until > clock_timestamp()
     ORDER BY snoozed_until
"""


def status_lines(connection: psycopg.Connection) -> Iterator[str]:
    """Yield what a person wants to know: each channel, what is tried, what was given up, who is snoozed."""
    channels = connection.execute(_CHANNELS).fetchall()
    if not channels:
        yield "no channel has been told of anything yet: start the notifier by `notifier run`"
    for name, waiting, oldest, sent, given_up, snoozed in channels:
        since = "" if oldest is None else f" since {oldest:%Y-%m-%d %H:%M:%S} UTC"
        yield f"{name}: {waiting} waiting{since}, {sent} sent, {given_up} given up, {snoozed} snoozed"
    for name, attempts, next_attempt, error in connection.execute(_TRIED).fetchall():
        reason = "" if error is None else f": {one_line(error)}"
        yield f"  {name}: tried {attempts} times, again at {next_attempt:%H:%M:%S} UTC{reason}"
    for name, ended_at, attempts, error, count in connection.execute(_GIVEN_UP).fetchall():
        yield (
            f"  {name}: gave up {count} changes at {ended_at:%Y-%m-%d %H:%M:%S} UTC after {attempts} attempts: "
            f"{one_line(error or '')} (`notifier retry {name}` tries again)"
        )
    for product, until, who in connection.execute(_SNOOZES).fetchall():
        yield f"  {one_line(product)}: snoozed until {until:%Y-%m-%d %H:%M:%S} UTC by {one_line(who)}"

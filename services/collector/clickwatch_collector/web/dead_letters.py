"""A refused event as a dead letter, with the headers that all dead letters have."""

from datetime import UTC, datetime

from clickwatch_collector.delivery.message import Message
from clickwatch_collector.doors.judging import Circumstances
from clickwatch_collector.verdicts import Refused

NOWHERE = "-1"
"""Partition and offset of what was never in a topic."""
REASON = "invalid_field"


def dead_letter(refused: Refused, circumstances: Circumstances, topic: str, events_topic: str) -> Message:
    """Return the dead letter of a refused event; its value is what the client sent.

    The key is the id that the event would have had, so a client's retry makes the same dead letter again.
    """
    received = datetime.fromtimestamp(circumstances.received_ms / 1000, UTC)
    headers = (
        ("reason", REASON),
        ("topic", events_topic),
        ("partition", NOWHERE),
        ("offset", NOWHERE),
        ("schema_id", ""),
        ("timestamp", received.isoformat(timespec="milliseconds")),
        ("detail", f"{refused.field}: {refused.rule}"),
        ("door", "collector"),
        ("shop", circumstances.shop),
    )
    return Message(topic, refused.event_id.encode(), refused.raw, headers)

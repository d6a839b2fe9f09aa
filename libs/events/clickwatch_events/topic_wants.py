"""What the services want of their topics, whoever made them.

Refused is only what would make figures wrong. Everything else is said once.
"""

from datetime import timedelta

from clickwatch_kafka.topic_settings import Want

_MS = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_HEADERS_BYTES = 65_536
"""What headers may add to a dead letter."""


def wants_of_topics(
    events: str, dead_letters: str, alerts: str, counted_again: timedelta, largest_message_bytes: int = 1_048_588
) -> dict[str, tuple[Want, ...]]:
    """Return per topic what streaming wants of it.

    Args:
        events: the topic of events.
        dead_letters: that of dead letters.
        alerts: that of hot windows.
        counted_again: how far back events are read again after a loss of state.
        largest_message_bytes: the largest event, by default what a broker takes.
    """
    return {
        events: (
            _not_compacted("events of one user replace each other, and are missing everywhere"),
            _retention(
                "events are deleted that are still counted, and windows come out too small",
                counted_again,
                f"at least {counted_again // _MS}",
                is_needed=True,
            ),
            _retention("after an outage that is longer, streaming stops with an error", _DAY, "a day or more"),
            Want(
                "message.timestamp.type",
                lambda value: value == "LogAppendTime",
                "LogAppendTime",
                "whether an event comes from the future is judged by its producer's clock",
            ),
        ),
        dead_letters: (
            _not_compacted("dead letters of one user replace each other, and cannot be replayed"),
            _retention("dead letters are deleted after that", None, "-1, or as long as one may want to replay them"),
            Want(
                "max.message.bytes",
                lambda value: int(value) >= largest_message_bytes + _HEADERS_BYTES,
                f"at least {largest_message_bytes + _HEADERS_BYTES}",
                "a dead letter of a large message does not fit and is kept without its bytes",
            ),
        ),
        alerts: (
            Want(
                "cleanup.policy",
                lambda value: "compact" in value,
                "compact",
                "each change of a window is kept, so the topic grows with the traffic",
            ),
        ),
    }


def _not_compacted(why: str) -> Want:
    return Want("cleanup.policy", lambda value: "compact" not in value, "delete", why, is_needed=True)


def _retention(why: str, least: timedelta | None, wanted: str, is_needed: bool = False) -> Want:
    def is_met(value: str) -> bool:
        kept_ms = int(value)
        return kept_ms < 0 or (least is not None and kept_ms >= least // _MS)

    return Want("retention.ms", is_met, wanted, why, is_needed)

"""What a pipeline must show of a topic, counted from its messages alone by code that shares none with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickwatch_events.avro import BadMessage, EventDecoder
from clickwatch_events.event import EventType
from clickwatch_events.framing import BadFrame
from clickwatch_events.limits import fault_of
from clickwatch_events.registry import NotRegistered
from confluent_kafka import Message

from clickwatch_ledger.ledger import Key

LENGTH, SLIDE = timedelta(minutes=10), timedelta(minutes=5)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Recount:
    """A topic's messages, counted.

    Attributes:
        events: the ids of its events.
        bad: partition and offset of each message that is none.
        windows: views, carts and purchases of each window with an event of a product.
    """

    events: frozenset[str]
    bad: frozenset[tuple[int, int]]
    windows: dict[Key, tuple[int, int, int]]

    def alerts(self, ended_by: datetime | None, views: int = 100, purchases: int = 5) -> dict[Key, tuple[int, int]]:
        """Views and purchases of the windows that are alerts: of those that end by then, or that end later (None: all).

        An alert has more than `views` and fewer than `purchases`.
        """
        return {
            key: (seen, bought)
            for key, (seen, _, bought) in self.windows.items()
            if seen > views and bought < purchases and (ended_by is None or key[1] + LENGTH <= ended_by)
        }


def recount(messages: Iterable[Message], decoder: EventDecoder) -> Recount:
    """Count messages, of whose events none may be late.

    A message without a value and with a key of ours is a heartbeat or a nudge, and not counted.
    """
    events: set[str] = set()
    bad: set[tuple[int, int]] = set()
    windows: dict[Key, Counter[EventType]] = {}
    for message in messages:
        value, key = message.value(), message.key() or b""
        if value is None and bytes(key).startswith(b"clickwatch-"):
            continue
        try:
            event = decoder.decode(value or b"")
        except (BadFrame, BadMessage, NotRegistered):
            event = None
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        if event is None or fault_of(event, message.timestamp()[1]) is not None:
            bad.add((partition, offset))
            continue
        if event.event_id in events:
            continue
        events.add(event.event_id)
        for start in _starts(event.timestamp_ms):
            windows.setdefault((event.product_id, start), Counter())[event.event_type] += 1
    counts = {
        key: (types[EventType.VIEW], types[EventType.ADD_TO_CART], types[EventType.PURCHASE])
        for key, types in windows.items()
    }
    return Recount(frozenset(events), frozenset(bad), counts)


def _starts(timestamp_ms: int) -> Iterable[datetime]:
    slide_ms = SLIDE // _MS
    last = timestamp_ms // slide_ms * slide_ms
    return (datetime.fromtimestamp((last - back) / 1000, UTC) for back in range(0, LENGTH // _MS, slide_ms))

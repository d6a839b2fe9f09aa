"""What becomes of each event of a request."""

from dataclasses import dataclass

from clickwatch_events.shop_event import ShopEvent


@dataclass(frozen=True)
class Accepted:
    """It is an event, and kept."""

    index: int
    event: ShopEvent


@dataclass(frozen=True)
class Refused:
    """It is no event; it is kept as a dead letter.

    Attributes:
        index: its place in the request, from 0.
        field: what is wrong, by the name of clickwatch's schema.
        rule: the rule it breaks.
        message: the same for people.
        raw: its bytes.
        event_id: the id that it would have had; the same for a client's retry.
    """

    index: int
    field: str
    rule: str
    message: str
    raw: bytes
    event_id: str


@dataclass(frozen=True)
class Ignored:
    """It is well formed and says nothing about a product; nothing is kept."""

    index: int
    message: str


Verdict = Accepted | Refused | Ignored


class BadBody(Exception):
    """The request as a whole says nothing; the message says why."""

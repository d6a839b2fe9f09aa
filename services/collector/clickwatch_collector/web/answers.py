"""What a request is answered with."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import msgspec

from clickwatch_collector.verdicts import Accepted, Refused, Verdict

_encode = msgspec.json.Encoder().encode
JSON = ("content-type", "application/json")


@dataclass(frozen=True)
class Answer:
    """Status, body and headers."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (JSON,)


def told(status: int, detail: str, *headers: tuple[str, str]) -> Answer:
    """Return an error with a sentence that says what to do."""
    return Answer(status, _encode({"detail": detail}), (JSON, *headers))


def as_json(status: int, content: object) -> Answer:
    """Return a document."""
    return Answer(status, _encode(content))


def later(status: int, detail: str, seconds: float) -> Answer:
    """Return an error that passes, with the time to wait."""
    return told(status, detail, ("retry-after", str(max(1, ceil(seconds)))))


def of_verdicts(verdicts: Sequence[Verdict], refused_status: int) -> Answer:
    """Return the verdict on each event.

    Args:
        verdicts: of all events.
        refused_status: the answer's status where none was accepted and some refused.
    """
    accepted = sum(isinstance(one, Accepted) for one in verdicts)
    refused = sum(isinstance(one, Refused) for one in verdicts)
    status = refused_status if refused and not accepted else 200
    return as_json(
        status,
        {
            "success": refused == 0,
            "accepted": accepted,
            "refused": refused,
            "ignored": len(verdicts) - accepted - refused,
            "verdicts": [_words(one) for one in verdicts],
        },
    )


def _words(verdict: Verdict) -> dict[str, object]:
    if isinstance(verdict, Accepted):
        return {"index": verdict.index, "verdict": "accepted", "event_id": verdict.event.event_id}
    if isinstance(verdict, Refused):
        return {
            "index": verdict.index,
            "verdict": "refused",
            "field": verdict.field,
            "rule": str(verdict.rule),
            "message": verdict.message,
        }
    return {"index": verdict.index, "verdict": "ignored", "message": verdict.message}

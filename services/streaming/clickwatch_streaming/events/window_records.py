"""What a record of the topic of hot windows says, or why it is none."""

from typing import NamedTuple, Protocol

from clickwatch_events import HotWindow
from clickwatch_events.avro import BadMessage
from clickwatch_events.framing import BadFrame
from clickwatch_events.limits import fault_of_window
from clickwatch_events.registry import NotRegistered

from clickwatch_streaming.events.decode import BadReason
from clickwatch_streaming.kafka import Record


class Decoder(Protocol):
    """Reads the values of the topic: `clickwatch_events.avro.HotWindowDecoder`."""

    def decode(self, message: bytes) -> HotWindow:
        """Return the window of a framed message; BadFrame, BadMessage or NotRegistered where it is none."""
        ...


class WindowRecord(NamedTuple):
    """A record that is a hot window, or None for one without a value, which says nothing."""

    record: Record
    window: HotWindow | None


class BadRecord(NamedTuple):
    """A record that is no hot window, and why."""

    record: Record
    reason: BadReason
    detail: str


def read_record(record: Record, decoder: Decoder) -> WindowRecord | BadRecord:
    """Return the window in a record, or why there is none.

    Raises:
        RegistryUnavailable: only the registry can tell, and does not answer.
    """
    if record.value is None:
        return WindowRecord(record, None)
    try:
        window = decoder.decode(record.value)
    except BadFrame as error:
        return BadRecord(record, BadReason.BAD_FRAMING, str(error))
    except BadMessage as error:
        return BadRecord(record, BadReason.UNDECODABLE_BODY, str(error))
    except NotRegistered as error:
        return BadRecord(record, BadReason.UNKNOWN_SCHEMA_ID, str(error))
    fault = fault_of_window(window)
    if fault is not None:
        return BadRecord(record, BadReason.INVALID_FIELD, f"{fault.field}: {fault.rule}")
    return WindowRecord(record, window)

"""Lines of our own log as events: nothing is converted, and nothing made up but a missing id."""

from collections.abc import Mapping

from clickwatch_events import Event, EventType
from clickwatch_events.limits import Fault, text_rule
from clickwatch_events.times import BadTime, log_instant_ms

from clickwatch_simulator.importing.identity import as_uuid, id_of_row
from clickwatch_simulator.importing.mappings import RowMapping
from clickwatch_simulator.importing.rows import BadRow, missing, no_time
from clickwatch_simulator.importing.sound import Limits
from clickwatch_simulator.importing.types import EventTypes
from clickwatch_simulator.importing.values import LARGEST_EXACT, LostDigits, shown


class OwnLine:
    """Makes the event of a line, with the verdict that the batch layer has on it."""

    def __init__(self, mapping: RowMapping, latest_ms: int, types: EventTypes) -> None:
        """Take `mapping`'s names, and times up to `latest_ms`."""
        self._mapping = mapping
        self._latest_ms = latest_ms
        self._types = types
        self._limits = Limits()

    def event(self, values: Mapping[str, object], text: str, shift_ms: int, index: int) -> Event:
        """Return the event of a line; `index` is always 0.

        Raises:
            BadRow: a value is missing, of the wrong type, or breaks a limit.
            SkippedRow: its type is one to skip.
            LostDigits: numbers must be read exactly.
        """
        mapping = self._mapping
        event_type = self._event_type(_text(mapping.type, values))
        event = Event(
            self._id(values.get(mapping.event_id), text, shift_ms),
            _text(mapping.user, values),
            _text(mapping.product, values),
            _text(mapping.category, values),
            event_type,
            self._instant_ms(values) + shift_ms,
            _text_or_none(mapping.session, values),
            _price(mapping.price_minor, values.get(mapping.price_minor)),
            _text_or_none(mapping.currency, values),
        )
        return self._limits.checked(event)

    def _event_type(self, text: str) -> EventType:
        """Return the type; one that is newer than this release is unknown, as Avro readers see it."""
        known = self._types.known(text)
        if known is not None:
            return known
        rule = text_rule(text)
        if rule is not None:
            fault = Fault(self._mapping.type, rule)
            raise BadRow(str(fault), f"{fault}: {shown(text)}")
        return EventType.UNKNOWN

    def _instant_ms(self, values: Mapping[str, object]) -> int:
        column = self._mapping.time
        time = _text(column, values)
        try:
            instant = log_instant_ms(time)
        except BadTime as error:
            raise no_time(column, time, error) from None
        if instant > self._latest_ms:
            raise no_time(column, time, BadTime(f"{shown(time)}, is in the future"))
        return instant

    def _id(self, given: object, text: str, shift_ms: int) -> str:
        column = self._mapping.event_id
        if given is None:
            return id_of_row(text, shift_ms, 0)
        if not isinstance(given, str):
            raise BadRow(f"{column} is no text", f"{column} is {shown(given)}, must be text")
        rule = text_rule(given)
        if rule is not None:
            fault = Fault("event_id", rule)
            raise BadRow(str(fault), f"{fault}: {shown(given)}")
        return id_of_row(text, shift_ms, 0) if shift_ms else as_uuid(given)


def _text(column: str, values: Mapping[str, object]) -> str:
    text = _text_or_none(column, values)
    if text is None:
        raise missing(column, values)
    return text


def _text_or_none(column: str, values: Mapping[str, object]) -> str | None:
    value = values.get(column)
    if value is None or isinstance(value, str):
        return value
    raise BadRow(f"{column} is no text", f"{column} is {shown(value)}, must be text")


def _price(column: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and abs(value) >= LARGEST_EXACT:
        raise LostDigits
    raise BadRow(f"{column} is no whole number", f"{column} is {shown(value)}, must be a whole number")

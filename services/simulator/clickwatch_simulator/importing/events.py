"""From a row of somebody's file to its events."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from clickwatch_events import Event
from clickwatch_events.limits import Fault, text_rule
from clickwatch_events.times import BadTime, instant_ms

from clickwatch_simulator.importing.identity import as_uuid, id_of_row
from clickwatch_simulator.importing.mappings import RowMapping
from clickwatch_simulator.importing.paths import cell_getter, json_getter
from clickwatch_simulator.importing.rows import BadRow, Getter, missing, no_time
from clickwatch_simulator.importing.sound import Limits
from clickwatch_simulator.importing.types import EventTypes
from clickwatch_simulator.importing.values import (
    JSON_NULLS,
    NULLS,
    digits_of,
    minor_units,
    shown,
    text_of,
    with_point,
)

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Remembered(dict[Key, Value]):
    """Values that come back often; forgotten as a whole when there are many."""

    def remember(self, key: Key, value: Value) -> None:
        if len(self) >= 20_000:
            self.clear()
        self[key] = value


class RowToEvent:
    """Makes the event of a row, or of an element of a list in it."""

    def __init__(
        self,
        mapping: RowMapping,
        header: Sequence[str] | None,
        latest_ms: int,
        types: EventTypes,
        note: Callable[[str], None],
        each_of: str | None = None,
    ) -> None:
        """Read values by a mapping.

        Args:
            mapping: which column holds what.
            header: names of columns; None: values are those of a JSON object.
            latest_ms: the latest instant at which a row can have happened.
            types: translates event types.
            note: told of what is changed or is odd.
            each_of: path of the list; values are then pairs of the object and an element.
        """
        self._mapping = mapping
        self._types = types
        self._latest_ms = latest_ms
        self._note = note
        self._nulls = JSON_NULLS if header is None else NULLS
        self._times = _Remembered[str, int]()
        self._prices = _Remembered[tuple[str, str], int | None]()
        self._digits: dict[str, int] = {}
        self._limits = Limits()

        def getter(column: str) -> Getter:
            return json_getter(column, each_of) if header is None else cell_getter(column, header)

        self._time, self._type = getter(mapping.time), getter(mapping.type)
        self._product, self._user = getter(mapping.product), getter(mapping.user)
        self._category, self._session = getter(mapping.category), getter(mapping.session)
        self._price, self._price_minor = getter(mapping.price), getter(mapping.price_minor)
        self._currency, self._event_id = getter(mapping.currency), getter(mapping.event_id)

    def event(self, values: object, text: str, shift_ms: int, index: int) -> Event:
        """Return the event.

        Raises:
            BadRow: a value is missing, cannot be read, or breaks a limit.
            SkippedRow: its type is one to skip.
            LostDigits: numbers must be read exactly.
        """
        mapping = self._mapping
        their_type = self._type(values)
        if their_type in self._nulls:
            raise missing(mapping.type, values)
        event_type = self._types.of(their_type)
        currency = self._optional(mapping.currency, self._currency(values)) or mapping.default_currency
        price = self._price_in_minor(values, currency)
        category = self._optional(mapping.category, self._category(values))
        event = Event(
            self._id(self._event_id(values), text, shift_ms, index),
            self._id_text(mapping.user, self._user(values), values),
            self._id_text(mapping.product, self._product(values), values),
            "unknown" if category is None else category.lower(),
            event_type,
            self._instant_ms(values) + shift_ms,
            self._optional(mapping.session, self._session(values)),
            price,
            None if price is None else currency,
        )
        return self._limits.checked(event)

    def _id_text(self, column: str, value: object, values: object) -> str:
        """Return a user or a product."""
        if value in self._nulls:
            raise missing(column, values)
        if not isinstance(value, str):
            return text_of(column, value)
        if value.endswith(".0") and value[:-2].isdecimal():
            self._note(f"values of {column} that end in .0, which are other ids than those without")
        return value

    def _optional(self, column: str, value: object) -> str | None:
        return None if value in self._nulls else text_of(column, value)

    def _price_in_minor(self, values: object, currency: str) -> int | None:
        mapping = self._mapping
        minor = self._price_minor(values)
        if minor not in self._nulls:
            return self._whole(mapping.price_minor, minor)
        value = self._price(values)
        if value in self._nulls:
            return None
        key = (value, currency) if isinstance(value, str) else None
        if key is not None and key in self._prices:
            return self._prices[key]
        digits = self._digits.get(currency)
        if digits is None:
            digits = self._digits[currency] = digits_of(currency)
        written = with_point(mapping.price, value) if mapping.decimal_comma and isinstance(value, str) else value
        price, is_rounded = minor_units(mapping.price, written, digits)
        if is_rounded:
            self._note(f"values of {mapping.price} finer than the currency, rounded half up")
        elif key is not None:
            self._prices.remember(key, price)
        return price

    def _whole(self, column: str, value: object) -> int | None:
        price, is_rounded = minor_units(column, value, 0)
        if is_rounded:
            raise BadRow(f"{column} is no whole number", f"{column} is {shown(value)}, must be a whole number")
        return price

    def _instant_ms(self, values: object) -> int:
        value = self._time(values)
        if isinstance(value, str):
            known = self._times.get(value)
            if known is not None:
                return known
        if value in self._nulls:
            raise missing(self._mapping.time, values)
        try:
            instant = instant_ms(value, self._latest_ms)
        except BadTime as error:
            raise no_time(self._mapping.time, value, error) from None
        if isinstance(value, str):
            self._times.remember(value, instant)
        return instant

    def _id(self, given: object, text: str, shift_ms: int, index: int) -> str:
        """Return the event's id: the given one, or one that follows from the row, its shift and its element."""
        if given not in self._nulls:
            name = text_of(self._mapping.event_id, given)
            rule = text_rule(name)
            if rule is not None:
                fault = Fault("event_id", rule)
                raise BadRow(str(fault), f"{self._mapping.event_id} is {shown(name)}: {fault}")
            if not shift_ms and not index:
                return as_uuid(name)
        return id_of_row(text, shift_ms, index)

"""From a row of somebody's shop to an event."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from clickwatch_events import Event, EventType
from clickwatch_service import UserError

_NAMESPACE = uuid.UUID("6f0dd0f4-7a34-5c0b-9d5a-2f6f1a4c9b11")
"""Of the ids of replayed rows; a change would give every replayed event a new identity."""
_MINOR_DIGITS = {"CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OUR_TYPES = {kind.value: kind for kind in EventType}
Fields = Mapping[str, object]


class BadRow(ValueError):
    """The row is no event; the message says why."""


class SkippedRow(Exception):
    """The row is sound, but of a kind that is no event of ours."""


@dataclass(frozen=True)
class RowMapping:
    """Which column holds what. An empty name: no such column.

    Attributes:
        time: when it happened; ISO-8601 (UTC unless it says), or seconds or milliseconds since the epoch.
        type: what was done, translated by `types`.
        product: the product's id.
        user: the user's id.
        category: columns of the category, the first that is not empty counts; several separated by commas.
        session: the visit.
        price: the price, in whole units (`35.79`).
        price_minor: the price in the smallest unit (`3579`); goes before `price`.
        currency: column of the currency.
        event_id: column of a UUID; without it the id is made from the row.
        types: their event types to ours; None: skipped.
        default_currency: currency of prices that do not say.
    """

    time: str
    type: str
    product: str
    user: str
    category: str = ""
    session: str = ""
    price: str = ""
    price_minor: str = ""
    currency: str = ""
    event_id: str = ""
    types: Mapping[str, EventType | None] = field(default_factory=lambda: _OUR_TYPES)
    default_currency: str = "EUR"

    def changed(self, columns: list[str], types: list[str], currency: str | None) -> "RowMapping":
        """Return this mapping with some columns and types replaced.

        Args:
            columns: `FIELD=COLUMN` each.
            types: `THEIRS=OURS` each; `THEIRS=` skips those rows.
            currency: the default currency, if given.

        Raises:
            UserError: no such field or event type.
        """
        names = tuple(name for name in self.__dataclass_fields__ if name not in ("types", "default_currency"))
        new_columns: dict[str, str] = {}
        for text in columns:
            name, equals, column = text.partition("=")
            if not equals or name not in names:
                raise UserError(f"--column {text!r}: must be FIELD=COLUMN with FIELD one of {', '.join(names)}")
            new_columns[name] = column
        new_types = dict(self.types)
        for text in types:
            theirs, equals, ours = text.partition("=")
            if not equals or (ours and ours not in _OUR_TYPES):
                raise UserError(f"--type {text!r}: must be THEIRS=OURS with OURS one of {', '.join(_OUR_TYPES)}")
            new_types[theirs] = EventType(ours) if ours else None
        if currency is not None and not (len(currency) == 3 and currency.isalpha() and currency.isupper()):
            raise UserError(f"--currency={currency}: must be an ISO 4217 code such as EUR")
        changed: RowMapping = replace(self, **new_columns, types=new_types)
        return changed if currency is None else replace(changed, default_currency=currency)


MAPPINGS = {
    "clickwatch": RowMapping(
        time="timestamp",
        type="event_type",
        product="product_id",
        user="user_id",
        category="product_category",
        session="session_id",
        price_minor="price_minor",
        currency="currency",
        event_id="event_id",
    ),
    # https://rees46.com/en/datasets: event_time,event_type,product_id,category_id,category_code,brand,price,…
    "rees46": RowMapping(
        time="event_time",
        type="event_type",
        product="product_id",
        user="user_id",
        category="category_code,category_id",
        session="user_session",
        price="price",
        types={
            "view": EventType.VIEW,
            "cart": EventType.ADD_TO_CART,
            "purchase": EventType.PURCHASE,
            "remove_from_cart": None,
        },
        default_currency="USD",
    ),
}
"""Ready-made mappings by name."""


def event_of(fields: Fields, text: str, mapping: RowMapping, shift: timedelta = timedelta(0)) -> Event:
    """Return the event of a row.

    Args:
        fields: the row by column.
        text: the row as it stands in the file; its id is made from it, so a second replay of the
            same file gives the same events.
        mapping: which column holds what.
        shift: added to its time. A shifted row is another event, with another id.

    Raises:
        BadRow: a column is missing, empty or cannot be read.
        SkippedRow: its type is one to skip.
    """
    their_type = _required(fields, mapping.type)
    if their_type not in mapping.types:
        raise BadRow(f"{mapping.type} is {their_type!r}, must be one of {', '.join(mapping.types)}")
    event_type = mapping.types[their_type]
    if event_type is None:
        raise SkippedRow(their_type)
    price = _price_minor(fields, mapping)
    currency = (_optional(fields, mapping.currency) or mapping.default_currency) if price is not None else None
    return Event(
        _event_id(fields, text, mapping, shift),
        _required(fields, mapping.user),
        _required(fields, mapping.product),
        _category(fields, mapping),
        event_type,
        (_time(fields, mapping) + shift - _EPOCH) // timedelta(milliseconds=1),
        _optional(fields, mapping.session),
        price,
        currency,
    )


def _optional(fields: Fields, column: str) -> str | None:
    value = fields.get(column) if column else None
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(f"{column} is {value!r}, must be text or a number")
    return value if isinstance(value, str) else str(value)


def _required(fields: Fields, column: str) -> str:
    value = _optional(fields, column)
    if value is None:
        raise BadRow(f"{column} is {'empty' if column in fields else 'missing'}")
    return value


def _category(fields: Fields, mapping: RowMapping) -> str:
    for column in mapping.category.split(","):
        value = _optional(fields, column)
        if value is not None:
            return value.lower()
    return "unknown"


def _event_id(fields: Fields, text: str, mapping: RowMapping, shift: timedelta) -> str:
    given = _optional(fields, mapping.event_id)
    if given is None or shift:
        name = text if not shift else f"{text}\n{shift.total_seconds()}"
        return str(uuid.uuid5(_NAMESPACE, name))
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise BadRow(f"{mapping.event_id} is {given!r}, must be a UUID") from None


def _time(fields: Fields, mapping: RowMapping) -> datetime:
    text = _required(fields, mapping.time)
    readers: tuple[Callable[[str], datetime], ...] = (_iso_time, _epoch_time)
    for read in readers:
        try:
            moment = read(text)
        except (ValueError, OverflowError, OSError):
            continue
        if moment < _EARLIEST:
            raise BadRow(f"{mapping.time} is {text!r}, must be after 1970-01-01")
        return moment
    raise BadRow(f"{mapping.time} is {text!r}, must be ISO-8601 or a number of seconds since 1970")


def _iso_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _epoch_time(text: str) -> datetime:
    number = float(text)
    return datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, UTC)


def _price_minor(fields: Fields, mapping: RowMapping) -> int | None:
    minor = _optional(fields, mapping.price_minor)
    column, text = (mapping.price_minor, minor) if minor is not None else (mapping.price, None)
    if minor is None:
        text = _optional(fields, mapping.price)
    if text is None:
        return None
    currency = _optional(fields, mapping.currency) or mapping.default_currency
    digits = 0 if minor is not None else _MINOR_DIGITS.get(currency, 2)
    try:
        amount = Decimal(text).scaleb(digits)
        price = int(amount.to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        raise BadRow(f"{column} is {text!r}, must be a number") from None
    if not 0 <= price < 2**63:
        raise BadRow(f"{column} is {text!r}, must be zero or more")
    return price

"""JSON of a body: values with all their digits, and each event's own bytes."""

from decimal import Decimal
from typing import Any

import msgspec

from clickwatch_collector.verdicts import BadBody

_values = msgspec.json.Decoder(float_hook=Decimal)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

_BROKEN = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError)


def value_of(raw: bytes | msgspec.Raw) -> Any:
    """Return what JSON bytes say; a number with a fraction or an exponent is a Decimal.

    JSON has values of any type, hence Any.

    Raises:
        BadBody: they are no JSON.
    """
    try:
        return _values.decode(raw)
    except _BROKEN as error:
        raise BadBody(f"the body is no JSON: {error}") from None


def items_of(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """Return the elements of a JSON list, each as its bytes.

    Raises:
        BadBody: it is no list.
    """
    try:
        return _list.decode(raw)
    except _BROKEN as error:
        raise BadBody(f"the body is no list in JSON: {error}") from None


def members_of(raw: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object, each value as its bytes.

    Raises:
        BadBody: it is no object.
    """
    try:
        return _object.decode(raw)
    except _BROKEN as error:
        raise BadBody(f"the body is no object in JSON: {error}") from None


def object_of(raw: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """Return the object that JSON bytes hold, None where they hold something else."""
    try:
        value = value_of(raw)
    except BadBody:
        return None
    return value if isinstance(value, dict) else None


def inner(value: object) -> dict[str, Any]:
    """Return an object within an object; an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def without_blanks(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that say something: SDKs send empty texts for what a shop leaves out."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}

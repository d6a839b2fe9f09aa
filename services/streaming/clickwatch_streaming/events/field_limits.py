"""The limits of an event's fields (`clickwatch_events.limits`) as Spark's columns."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import and_

from clickwatch_events.limits import (
    CONTROL_CHARACTERS,
    MAX_TEXT_BYTES,
    REQUIRED,
    Code,
    Instant,
    Limit,
    Rule,
    Text,
    Whole,
)
from pyspark.sql import Column
from pyspark.sql import functions as sf

_CONTROL = f"[{CONTROL_CHARACTERS}]"
_PRINTABLE_ASCII = r"\A[\x20-\x7e]*+\z"


def keeps_all(limits: Mapping[str, Limit]) -> Column:
    """Whether all fields are within their limits. A required one that is null makes it null, an optional one true.

    Texts are nearly always printable ASCII. That is told of all of them at once, at a third of the cost of
    looking at each; only the others are looked at one by one.
    """
    texts = [name for name, limit in limits.items() if isinstance(limit, Text)]
    others = {name: limit for name, limit in limits.items() if name not in texts}
    are_short = _all(_optional(name, sf.octet_length(name).between(1, MAX_TEXT_BYTES)) for name in texts)
    are_plain = sf.concat_ws(" ", *texts).rlike(_PRINTABLE_ASCII)
    each_is_kept = _all(_optional(name, _kept(sf.col(name), limits[name])) for name in texts)
    others_are_kept = _all(_optional(name, _kept(sf.col(name), limit)) for name, limit in others.items())
    return others_are_kept & ((are_short & are_plain) | each_is_kept)


def _all(conditions: Iterable[Column]) -> Column:
    return reduce(and_, conditions)


def _optional(name: str, condition: Column) -> Column:
    return condition if name in REQUIRED else sf.col(name).isNull() | condition


def _kept(field: Column, limit: Limit) -> Column:
    match limit:
        case Text():
            return sf.octet_length(field).between(1, MAX_TEXT_BYTES) & ~field.rlike(_CONTROL) & sf.is_valid_utf8(field)
        case Code(pattern):
            return field.rlike(f"\\A(?:{pattern})\\z")
        case Whole(least, most):
            return field.between(least, most)
        case Instant(earliest_ms):
            return field >= sf.lit(_instant(earliest_ms))


def broken_rule(name: str, limit: Limit) -> Column:
    """The rule that a field breaks, null where it breaks none or is null."""
    field = sf.col(name)
    match limit:
        case Text():
            return (
                sf.when(sf.octet_length(field) == 0, Rule.EMPTY)
                .when(~sf.is_valid_utf8(field), Rule.NOT_UTF8)
                .when(sf.octet_length(field) > MAX_TEXT_BYTES, Rule.TOO_LONG)
                .when(field.rlike(_CONTROL), Rule.CONTROL_CHARACTER)
            )
        case Code(_, rule):
            return sf.when(~_kept(field, limit), rule)
        case Whole(least, most):
            return sf.when(field < least, Rule.TOO_SMALL).when(field > most, Rule.TOO_LARGE)
        case Instant(earliest_ms):
            return sf.when(field < sf.lit(_instant(earliest_ms)), Rule.TOO_EARLY)


def _instant(epoch_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)

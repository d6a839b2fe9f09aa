"""The limits of an event's fields (`clickwatch_events.limits`) as Spark's columns."""

from datetime import UTC, datetime, timedelta

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


def keeps(name: str, limit: Limit) -> Column:
    """Whether a field is within its limit. A required one that is null makes it null, an optional one true."""
    field = sf.col(name)
    kept = _kept(field, limit)
    return kept if name in REQUIRED else field.isNull() | kept


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

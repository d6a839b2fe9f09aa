"""KAFKA_CLIENT_PROPERTIES: single properties of Kafka's clients that no variable of ours stands for."""

import re
from collections.abc import Mapping
from enum import StrEnum

from clickwatch_service import UserError

_PROPERTY = re.compile(r"(?:(librdkafka|java):)?([a-z0-9._-]+)\s*=\s*(.*)")

_SECRET = re.compile(r"password|secret|token|jaas|credential|\.pem$|\.key$", re.IGNORECASE)

_SECURITY = re.compile(r"(sasl|ssl|https|security|enable\.ssl|enable\.sasl|oauthbearer|config\.providers)(\.|$)")
"""What the other variables say. By the passthrough it could be weakened unseen."""

_OURS = frozenset(
    {
        "acks",
        "request.required.acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "metadata.broker.list",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "group.id",
        "interceptor.classes",
        "isolation.level",
        "key.deserializer",
        "key.serializer",
        "value.deserializer",
        "value.serializer",
        "metric.reporters",
        "partitioner",
        "plugin.library.paths",
        "transactional.id",
    }
)
"""What each client sets for itself, since that nothing is lost or counted twice depends on it."""


class Dialect(StrEnum):
    """Whose names a property has."""

    LIBRDKAFKA = "librdkafka"
    JAVA = "java"


def parsed_properties(text: str) -> dict[Dialect, Mapping[str, str]]:
    """Return the properties for each dialect.

    Args:
        text: `key=value`, separated by commas, or a line each, where values may hold commas. A key stands for
            both dialects, `librdkafka:key` and `java:key` for one.

    Raises:
        UserError: a line is no property, or one that the passthrough may not set. Values are never shown.
    """
    found: dict[Dialect, dict[str, str]] = {dialect: {} for dialect in Dialect}
    lines = text.splitlines() if "\n" in text else text.split(",")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _PROPERTY.fullmatch(line.strip())
        if match is None:
            raise UserError(
                f"KAFKA_CLIENT_PROPERTIES: entry {number} is no property: write key=value, separated by commas or "
                "a line each"
            )
        dialect, key, value = match[1], match[2], match[3].strip()
        _require_allowed(key)
        for one in Dialect if dialect is None else (Dialect(dialect),):
            found[one][key] = value
    return dict(found)


def _require_allowed(key: str) -> None:
    if _SECRET.search(key):
        raise UserError(
            f"KAFKA_CLIENT_PROPERTIES: {key} may not be set here, as secrets come from files alone: "
            "use the KAFKA_..._FILE variables"
        )
    if _SECURITY.match(key):
        raise UserError(
            f"KAFKA_CLIENT_PROPERTIES: {key} may not be set here, as it could weaken what the other variables ask "
            "for: use the KAFKA_SECURITY_, KAFKA_SASL_, KAFKA_SSL_ and KAFKA_OAUTH_ variables"
        )
    if key in _OURS:
        raise UserError(
            f"KAFKA_CLIENT_PROPERTIES: {key} may not be set here, as each service sets it for itself: leave it out"
        )

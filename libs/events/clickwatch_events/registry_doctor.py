"""What a service can reach of the Schema Registry with its own settings, as a line for people."""

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from clickwatch_kafka.doctor import tls_words
from clickwatch_kafka.doors import tls_of
from clickwatch_service import UserError
from clickwatch_service.doctor import Finding, clock

from clickwatch_events.registry import Registry
from clickwatch_events.registry_connection import RegistryConnection
from clickwatch_events.registry_refusals import RegistryUnavailable
from clickwatch_events.schemas import subject

_SECONDS = 10.0


def check_registry(connection: RegistryConnection, schemas: Iterable[str]) -> Finding:
    """Return what is found of a registry: reached, its TLS, who we are there, its clock, and which schemas it has."""
    what = f"registry {','.join(connection.addresses)}"
    try:
        registry = Registry(connection)
        registry.wait(_SECONDS)
        known = {name: registry.ids(name) for name in schemas}
    except (RegistryUnavailable, UserError) as error:
        return Finding(what, False, str(error))
    missing = [subject(name) for name, ids in known.items() if not ids]
    in_time, clock_words = _clock(connection)
    parts = ["reached", _tls(connection), _login(connection), clock_words]
    parts += [f"{subject(name)} has versions {', '.join(map(str, ids))}" for name, ids in known.items() if ids]
    if missing:
        parts.append(f"lacks {', '.join(missing)} (register them)")
    return Finding(what, in_time and not missing, ", ".join(one for one in parts if one))


def _login(connection: RegistryConnection) -> str:
    if connection.username is not None:
        return f"logged in as {connection.username!r}"
    return "by a token" if connection.token_file is not None else "no login"


def _tls(connection: RegistryConnection) -> str:
    parts = urlsplit(connection.addresses[0])
    if parts.scheme != "https" or parts.hostname is None:
        return "no TLS"
    try:
        found = tls_of(parts.hostname, parts.port or 443, connection.ca_file)
    except OSError:
        found = None
    return tls_words(found) if found is not None else "TLS"


def _clock(connection: RegistryConnection) -> tuple[bool, str]:
    """Compare clocks by the date that an HTTP answer bears, whatever else it says."""
    parts = urlsplit(connection.addresses[0])
    assert parts.hostname is not None
    ca_file = str(connection.ca_file) if connection.ca_file else None
    client = (
        HTTPSConnection(
            parts.hostname, parts.port, timeout=_SECONDS, context=ssl.create_default_context(cafile=ca_file)
        )
        if parts.scheme == "https"
        else HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
    )
    try:
        client.request("HEAD", parts.path or "/")
        date = client.getresponse().headers["Date"]
    except (OSError, HTTPException):
        date = None
    finally:
        client.close()
    if date is None:
        return True, ""
    return clock((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())

"""What an error of the Schema Registry means: an outage, or a refusal that waiting does not mend."""

from urllib.parse import urlsplit

import httpx2
from clickwatch_kafka.doors import tls_of
from confluent_kafka.schema_registry.error import SchemaRegistryError

from clickwatch_events.registry_connection import RegistryConnection

UNREACHABLE = (httpx2.HTTPError, OSError)
"""What the client raises where nobody answers."""


class RegistryUnavailable(Exception):
    """The registry did not answer in time; the message names its address."""


class RegistryRefused(RegistryUnavailable):
    """The registry does not let us in; the message says why and where to look."""


class NotRegistered(LookupError):
    """The registry does not know the schema or the id."""


def refusal(connection: RegistryConnection, error: BaseException) -> RegistryRefused | None:
    """Return an error as a refusal, or None where waiting may mend it."""
    at = f"the schema registry at {','.join(connection.addresses)}"
    words = " ".join(str(error).split())
    if isinstance(error, SchemaRegistryError):
        if error.http_status_code == 401:
            return RegistryRefused(f"{at} refuses the login (401): see {_login(connection)}")
        if error.http_status_code == 403:
            return RegistryRefused(f"{at} forbids what was asked (403): let {_who(connection)} read subjects")
        return None
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return RegistryRefused(
            f"{at} shows a certificate that does not convince us ({words}): see SCHEMA_REGISTRY_CA_FILE "
            f"({connection.ca_file or 'none'}) and the name in SCHEMA_REGISTRY_URL"
        )
    if "WRONG_VERSION_NUMBER" in words or "RECORD_LAYER_FAILURE" in words:
        return RegistryRefused(f"{at} speaks no TLS ({words}): name another address by SCHEMA_REGISTRY_URL")
    if "CERTIFICATE_REQUIRED" in words or "alert bad certificate" in words or "ALERT_BAD_CERTIFICATE" in words:
        return RegistryRefused(
            f"{at} asks for a client's certificate that it trusts ({words}): see SCHEMA_REGISTRY_CERTIFICATE_FILE and "
            "SCHEMA_REGISTRY_KEY_FILE"
        )
    if isinstance(error, httpx2.RemoteProtocolError) and _speaks_tls(connection):
        return RegistryRefused(f"{at} speaks TLS: let SCHEMA_REGISTRY_URL begin with https://")
    return None


def _speaks_tls(connection: RegistryConnection) -> bool:
    parts = urlsplit(connection.addresses[0])
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        return tls_of(parts.hostname, parts.port or 80) is not None
    except OSError:
        return False


def _who(connection: RegistryConnection) -> str:
    if connection.username is not None:
        return f"user {connection.username!r}"
    return "the bearer of the token" if connection.token_file is not None else "this client"


def _login(connection: RegistryConnection) -> str:
    if connection.token_file is not None:
        return "SCHEMA_REGISTRY_TOKEN_FILE, which is read anew for each request"
    if connection.username is not None:
        return f"SCHEMA_REGISTRY_USERNAME ({connection.username!r}) and SCHEMA_REGISTRY_PASSWORD_FILE"
    return "SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD_FILE, or SCHEMA_REGISTRY_TOKEN_FILE: none is set"

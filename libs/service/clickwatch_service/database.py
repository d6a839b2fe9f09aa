"""Whether a PostgreSQL lets us in, by libpq's own variables: an outage is waited out, a refusal is said."""

import re

import psycopg

from clickwatch_service.errors import UserError

_CONNECT_SECONDS = 10


class DatabaseRefused(UserError):
    """PostgreSQL refuses the connection or the login, and will tomorrow: waiting does not help."""


_TLS = (
    (
        r"server does not support SSL",
        "this server has no TLS and sslmode asks for it: name another one by DATABASE_URL, or turn TLS on there",
    ),
    (
        r"certificate verify failed|root certificate file|does not match host name|tlsv1 alert|alert certificate",
        "see PGSSLROOTCERT, and that the host in DATABASE_URL is the name in the server's certificate",
    ),
)
_LOGIN = (
    (
        r"password authentication failed|no password supplied|fe_sendauth|authentication failed",
        "see the name in DATABASE_URL and the password in the file that PGPASSFILE names",
    ),
    (
        r"no pg_hba\.conf entry",
        "this server does not let this user in this way: ask for it, with TLS where it wants it",
    ),
    (r"(role|database) \".*\" does not exist", "see DATABASE_URL, or run the migrations"),
)


def refusal_of(error: Exception) -> DatabaseRefused | None:
    """Return an error of connecting as a refusal, or None where waiting may mend it."""
    return _refusal(error, (*_TLS, *_LOGIN))


def _refusal(error: Exception, remedies: tuple[tuple[str, str], ...]) -> DatabaseRefused | None:
    if not isinstance(error, psycopg.OperationalError):
        return None
    words = " ".join(str(error).split())
    for pattern, remedy in remedies:
        if re.search(pattern, words):
            return DatabaseRefused(f"PostgreSQL refuses the connection ({words}): {remedy}")
    return None


def require_tls_as_asked(url: str) -> None:
    """Return unless the server's TLS is less than sslmode asks for, which no waiting mends.

    Whether it answers, and knows our role yet, is waited for elsewhere: migrations may still be making it.

    Raises:
        DatabaseRefused: it is; the message says why and where to look, and shows no password.
    """
    try:
        psycopg.connect(url, connect_timeout=_CONNECT_SECONDS, application_name="clickwatch start").close()
    except psycopg.Error as error:
        refused = _refusal(error, _TLS)
        if refused is not None:
            raise refused from None

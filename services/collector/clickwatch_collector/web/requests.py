"""What is read of a request: its body within bounds, its key, where it comes from."""

import asyncio
import base64
import binascii
import zlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Protocol
from urllib.parse import parse_qs

MAX_BODY_BYTES = 1_000_000
"""Of a body, as it is sent and as it is unpacked."""


class Headers(Protocol):
    """The headers of granian's scope."""

    def get(self, name: str) -> str | None:
        """Return a header's value."""
        ...


class Scope(Protocol):
    """What granian tells of a request (RSGI)."""

    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> Headers:
        """Its headers."""
        ...


class Wire(Protocol):
    """Where granian's body comes from and the answer goes to (RSGI)."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""
        ...


class TooLarge(Exception):
    """The body has more bytes than one may."""


class TooSlow(Exception):
    """The client took too long to send its body."""


class BadEncoding(Exception):
    """The body is not packed as it says; the message says how it may be."""


async def body_of(scope: Scope, wire: Wire, timeout: timedelta) -> bytes:
    """Return the body, unpacked.

    Raises:
        TooLarge: it is, packed or not.
        TooSlow: it did not come in time.
        BadEncoding: it is no gzip, or packed in another way.
    """
    announced = scope.headers.get("content-length")
    if announced is not None and announced.isdecimal() and int(announced[:20]) > MAX_BODY_BYTES:
        raise TooLarge
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            async for chunk in wire:
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise TooLarge
                chunks.append(bytes(chunk))
    except TimeoutError:
        raise TooSlow from None
    return unpacked(b"".join(chunks), (scope.headers.get("content-encoding") or "identity").strip().lower())


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body as it was before it was packed.

    Raises:
        TooLarge: it has more than MAX_BODY_BYTES then.
        BadEncoding: it is no gzip, or packed in another way.
    """
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise BadEncoding("content-encoding must be gzip, or none")
    # wbits of 31: gzip alone. Never more is unpacked than the bound and a byte.
    unpacker = zlib.decompressobj(31)
    try:
        found = unpacker.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise BadEncoding(f"the body is no gzip ({error})") from None
    if len(found) > MAX_BODY_BYTES:
        raise TooLarge
    if not unpacker.eof or unpacker.unused_data:
        raise BadEncoding("the body is not one whole gzip")
    return found


def query_of(scope: Scope) -> Mapping[str, str]:
    """Return the first value of each parameter in the address."""
    try:
        found = parse_qs(scope.query_string, max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def key_of(scope: Scope, query: Mapping[str, str]) -> str | None:
    """Return the key of a request: bearer, basic auth's user (Segment), `key` or `api_secret` (GA4) in the address."""
    scheme, _, credentials = (scope.headers.get("authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() == "basic":
        try:
            user, _, _ = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        return user or None
    return query.get("key") or query.get("api_secret")

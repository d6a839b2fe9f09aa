"""Who takes messages: a signed webhook, or whatever apprise can reach."""

import base64
import binascii
import hashlib
import hmac
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import time
from typing import Protocol

import httpx2
from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType, OverflowMode
from clickwatch_service import UserError
from clickwatch_service.limits import TookTooLong, within

from clickwatch_notifier.channels import Channel, Kind
from clickwatch_notifier.messages import Message, Places

_LONGEST_PAUSE = timedelta(hours=1)
_REFUSES_THE_MESSAGE = (400, 413, 415, 422)
"""Other refusals are of a whole channel: a key or an address that somebody mends."""
_SECRET_PREFIX = b"whsec_"


class NotDelivered(Exception):
    """A message was not taken; the text says why and holds no secret.

    Attributes:
        retry_after: how long the receiver asks to be left alone; None where it does not say.
        is_for_good: whether it never takes this message, and may take others.
    """

    def __init__(self, reason: str, retry_after: timedelta | None = None, is_for_good: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_for_good = is_for_good


class Receiver(Protocol):
    """Takes messages of one channel."""

    def send(self, message: Message) -> None:
        """Return once the message is taken.

        Raises:
            NotDelivered: it was not, or it is not known whether it was.
        """
        ...


def receiver_of(channel: Channel, places: Places) -> Receiver:
    """Return who takes the messages of a channel.

    Raises:
        UserError: its url or its secret is none.
    """
    if channel.kind is Kind.WEBHOOK:
        return Webhook(channel, places)
    return AppriseReceiver(channel, places)


class Webhook:
    """A POST of JSON, signed as standardwebhooks.com describes it."""

    def __init__(self, channel: Channel, places: Places) -> None:
        """Send to the channel's address.

        Raises:
            UserError: the secret is no base64, though it begins as one.
        """
        self._channel = channel
        self._places = places
        self._key = _signing_key(channel)
        # To read the certificates takes longer than to send.
        self._tls = httpx2.create_ssl_context()

    def send(self, message: Message) -> None:
        """Post a message (see `Receiver`)."""
        body = message.document(self._places)
        key, seconds = str(message.key), str(int(time()))
        headers = {
            "content-type": "application/json",
            "user-agent": "clickwatch-notifier",
            "idempotency-key": key,
            "webhook-id": key,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(self._key, key, seconds, body),
            # A connection of its own for each: what a receiver says too much is nobody's answer.
            "connection": "close",
        }
        limit = self._channel.timeout.total_seconds()
        try:
            # An answer that trickles in keeps no limit of the client's; this one holds for the whole of it.
            status, pause = within(limit, "an attempt", lambda: self._post(body, headers, limit))
        except TookTooLong:
            raise NotDelivered(f"no answer within {limit:g} s") from None
        except httpx2.HTTPError as error:
            raise NotDelivered(f"no answer ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise NotDelivered(f"answered {status}", pause, is_for_good=status in _REFUSES_THE_MESSAGE)

    def _post(self, body: bytes, headers: dict[str, str], limit: float) -> tuple[int, timedelta | None]:
        # The status is the answer; whatever else is said is not read.
        with (
            httpx2.Client(timeout=limit, follow_redirects=False, verify=self._tls) as client,
            client.stream("POST", self._channel.url, content=body, headers=headers) as answer,
        ):
            return answer.status_code, _pause(answer.headers.get("retry-after"))


def signature(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    """Return what the header `webhook-signature` holds.

    Args:
        key: the shared secret.
        message_id: the header `webhook-id`.
        seconds: the header `webhook-timestamp`.
        body: the bytes of the body.
    """
    signed = f"{message_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _signing_key(channel: Channel) -> bytes:
    if not channel.secret.startswith(_SECRET_PREFIX):
        return channel.secret
    try:
        return base64.b64decode(channel.secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise UserError(
            f"channel {channel.name!r}: its secret begins with whsec_ and is no base64 after that: "
            "copy it once more, or leave the beginning off"
        ) from None


def _pause(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not retry_after.isdecimal():
        return None
    return min(timedelta(seconds=int(retry_after[:9])), _LONGEST_PAUSE)


class AppriseReceiver:
    """Mail, Slack, Teams, Discord, Telegram, PagerDuty and the others that apprise knows."""

    def __init__(self, channel: Channel, places: Places) -> None:
        """Send to the channel's address.

        Raises:
            UserError: apprise knows no such address.
        """
        self._channel = channel
        self._places = places
        self._asset = AppriseAsset(
            app_id="clickwatch", app_desc="clickwatch", app_url=places.dashboard_url, async_mode=False
        )
        self._service()

    def _service(self) -> NotifyBase:
        service = Apprise.instantiate(self._channel.url, asset=self._asset, suppress_exceptions=True)
        if not isinstance(service, NotifyBase):
            raise UserError(
                f"channel {self._channel.name!r}: its url is no address that apprise knows (it is not shown, as it may "
                "hold a secret): see https://appriseit.com/services/"
            )
        return service

    def send(self, message: Message) -> None:
        """Send a message (see `Receiver`)."""
        limit = self._channel.timeout.total_seconds()
        try:
            reasons = within(limit, "an attempt", lambda: self._attempt(message))
        except TookTooLong:
            raise NotDelivered(f"no answer within {limit:g} s") from None
        except Exception as error:  # of a plugin of apprise; whatever it is, the message was not taken
            raise NotDelivered(f"apprise failed with {type(error).__name__}") from None
        if reasons is not None:
            raise NotDelivered(reasons)

    def _attempt(self, message: Message) -> str | None:
        # A service anew for each: one that is used again waits between messages, which is decided elsewhere.
        service = self._service()
        if "overflow=" not in self._channel.url:
            # What is too long for a service would be refused again and again.
            service.overflow_mode = OverflowMode.TRUNCATE
        headers = getattr(service, "headers", None)
        if isinstance(headers, dict):
            headers["X-Clickwatch-Key"] = str(message.key)
            if message.story is not None:
                headers["References"] = message.story
        sender = Apprise(asset=self._asset)
        sender.add(service)
        with _said() as lines:
            is_taken = sender.notify(
                title=message.title,
                body=message.text(self._places),
                notify_type=NotifyType.INFO if message.kind is None or message.is_good_news else NotifyType.WARNING,
                body_format=NotifyFormat.TEXT,
            )
        if is_taken:
            return None
        return "; ".join(lines) or "apprise could not send it and does not say why"


@contextmanager
def _said() -> Iterator[list[str]]:
    """Collect what apprise warns of in this thread."""
    lines: list[str] = []
    mine = threading.get_ident()

    class _Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == mine and len(lines) < 5:
                lines.append(" ".join(record.getMessage().split())[:200])

    handler = _Lines(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)

"""Links in messages by which whoever reads them can snooze a product, without a login.

A link is signed and can be used for a week. It is the same at each attempt of a message.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

_USABLE_FOR = timedelta(days=7)


class BadLink(Exception):
    """A link is not ours, or too old; the text says which."""


@dataclass(frozen=True)
class Snooze:
    """What a link may do.

    Attributes:
        product_id: the product that nobody is to be told of.
        channel: the channel whose message held the link.
    """

    product_id: str
    channel: str


class Links:
    """Makes links and reads them."""

    def __init__(self, base_url: str, secret: str) -> None:
        """Make links to `base_url`, where the notifier is reached, signed with `secret`."""
        self._base_url = base_url
        self._signer = URLSafeSerializer(secret, salt="clickwatch snooze")

    def snooze(self, asked: Snooze, made_at: datetime) -> str:
        """Return a link that snoozes a product."""
        until = int((made_at + _USABLE_FOR).timestamp())
        token = self._signer.dumps([asked.product_id, asked.channel, until])
        return f"{self._base_url}/snooze/{token if isinstance(token, str) else token.decode()}"

    def read(self, token: str, now: datetime) -> Snooze:
        """Return what the last part of a link may do.

        Raises:
            BadLink: it is not ours, or too old.
        """
        try:
            product, channel, until = self._signer.loads(token)
        except (BadSignature, ValueError):
            raise BadLink("This link is not one of ours, or a part of it is missing.") from None
        if now >= datetime.fromtimestamp(until, UTC):
            raise BadLink("This link is more than a week old. Use one of a newer message.")
        return Snooze(product, channel)

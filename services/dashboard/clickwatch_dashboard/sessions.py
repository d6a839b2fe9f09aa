"""Signed cookies: a session, and a login that is under way elsewhere.

The key lives as long as the process, so a restart ends all sessions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from itsdangerous import BadData, URLSafeSerializer

from clickwatch_dashboard.users import Role, User


@dataclass(frozen=True)
class Sessions:
    """Makes and reads what a cookie holds.

    Attributes:
        key: signs it.
        seconds: how long a session lasts.
    """

    key: bytes
    seconds: float

    def token(self, user: User, now: float) -> str:
        """Return a cookie's value for a user who has logged in (`now` in epoch seconds)."""
        return self._signer("session").dumps({"name": user.name, "role": user.role, "until": now + self.seconds})

    def user(self, token: str, now: float) -> User | None:
        """Return whose cookie it is; None if it is not ours or has run out."""
        claims = self.opened("session", token, now)
        return None if claims is None else User(str(claims["name"]), Role(str(claims["role"])))

    def sealed(self, purpose: str, claims: Mapping[str, str], until: float) -> str:
        """Return a value that only `opened` with this purpose reads, until then (epoch seconds)."""
        return self._signer(purpose).dumps({**claims, "until": until})

    def opened(self, purpose: str, value: str, now: float) -> Mapping[str, object] | None:
        """Return the claims in a value; None if it was not made here for this purpose, or its time is over."""
        try:
            claims = self._signer(purpose).loads(value)
        except BadData:
            return None
        return claims if now < cast(float, claims["until"]) else None

    def _signer(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(self.key, salt=f"clickwatch-dashboard-{purpose}")

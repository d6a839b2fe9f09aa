"""Who may look: a file of names and hashed passwords, and the session cookie."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickwatch_service import UserError

_N, _R, _P = 2**14, 8, 1
"""Cost of a guess: 16 MiB and some 50 ms (scrypt)."""
_NOBODY = f"scrypt${base64.b64encode(b'nobody').decode()}${base64.b64encode(bytes(32)).decode()}"


def hashed(password: str, salt: bytes) -> str:
    """Return what the users file holds of a password."""
    digest = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=32)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


@dataclass(frozen=True)
class Users:
    """The users there are.

    Attributes:
        hashes: name → hashed password.
    """

    hashes: Mapping[str, str]

    def has(self, name: str, password: str) -> bool:
        """Whether it is that user's password; takes as long for a name that is not there."""
        kept = self.hashes.get(name, _NOBODY)
        salt = base64.b64decode(kept.split("$")[1])
        return hmac.compare_digest(hashed(password, salt), kept)


def read_users(file: Path) -> Users:
    """Return the users in a file.

    Raises:
        UserError: it cannot be read, holds a line that is none, or nobody.
    """
    remedy = "make it by `add-user`"
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"DASHBOARD_USERS_FILE={str(file)!r}: cannot be read ({error}); {remedy}") from None
    hashes = {}
    for number, line in enumerate(lines, 1):
        name, colon, kept = line.partition(":")
        if not (name and colon and kept.startswith("scrypt$") and kept.count("$") == 2):
            raise UserError(f"DASHBOARD_USERS_FILE={str(file)!r}: line {number} is no user; {remedy}")
        hashes[name] = kept
    if not hashes:
        raise UserError(f"DASHBOARD_USERS_FILE={str(file)!r}: holds nobody; {remedy}")
    return Users(hashes)


def add_user(file: Path, name: str, password: str) -> None:
    """Put a user into the file, or give one who is there a new password.

    Raises:
        UserError: name or password cannot be used.
    """
    if not name or ":" in name or not name.isprintable():
        raise UserError(f"user {name!r}: a name has printable characters and no colon")
    if len(password) < 8:
        raise UserError("the password is too short: use at least 8 characters")
    hashes = dict(read_users(file).hashes) if file.exists() else {}
    hashes[name] = hashed(password, secrets.token_bytes(16))
    draft = file.with_name(f"{file.name}.new")
    with open(draft, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.writelines(f"{one}:{kept}\n" for one, kept in sorted(hashes.items()))
    draft.replace(file)


@dataclass(frozen=True)
class Sessions:
    """Signed cookies. The key lives as long as the process, so a restart ends all sessions.

    Attributes:
        key: signs them.
        seconds: how long one lasts.
    """

    key: bytes
    seconds: float

    def token(self, name: str, now: float) -> str:
        """Return a cookie's value for a user who has logged in (`now` in epoch seconds)."""
        claim = f"{name}:{int(now + self.seconds)}"
        return f"{base64.urlsafe_b64encode(claim.encode()).decode()}.{self._signature(claim)}"

    def user(self, token: str, now: float) -> str | None:
        """Return whose cookie it is; None if it is not ours or has run out."""
        encoded, _, signature = token.partition(".")
        try:
            claim = base64.urlsafe_b64decode(encoded).decode()
        except ValueError:
            return None
        if not hmac.compare_digest(self._signature(claim).encode(), signature.encode()):
            return None
        name, _, until = claim.rpartition(":")
        return name if now < int(until) else None

    def _signature(self, claim: str) -> str:
        return hmac.new(self.key, claim.encode(), "sha256").hexdigest()

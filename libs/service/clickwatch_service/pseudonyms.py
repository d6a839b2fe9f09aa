"""Users' names that nobody can turn back without the key: the same user, the same pseudonym, everywhere.

A keyed hash (HMAC-SHA-256) and not a plain one, because user ids are few enough to be hashed one by one.
"""

import hashlib
import hmac
import re
from pathlib import Path

from clickwatch_service.errors import UserError

PREFIX = "anon-"
HEX_DIGITS = 32
"""128 bits: two users of a billion share a pseudonym once in 10^20 shops."""
PATTERN = rf"^{PREFIX}[0-9a-f]{{{HEX_DIGITS}}}$"
"""What a pseudonym looks like, for whoever must not give it another one."""
_LEAST_KEY_BYTES = 16
_IS_PSEUDONYM = re.compile(PATTERN)


class Pseudonyms:
    """The pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        """Hash with `key`."""
        self.key = key

    @classmethod
    def from_file(cls, file: Path) -> "Pseudonyms":
        """Take the bytes of a file, without a line's end after them, as the key.

        Raises:
            UserError: it cannot be read, or is too short to be a key.
        """
        remedy = "make one by `openssl rand -hex 32`, readable by the service alone"
        try:
            key = file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise UserError(f"USER_ID_KEY_FILE={str(file)!r}: cannot be read ({error.strerror}): {remedy}") from None
        if len(key) < _LEAST_KEY_BYTES:
            raise UserError(
                f"USER_ID_KEY_FILE={str(file)!r}: holds {len(key)} bytes, must hold {_LEAST_KEY_BYTES} "
                f"or more: {remedy}"
            )
        return cls(key)

    def of(self, user_id: str) -> str:
        """Return a user's pseudonym; a pseudonym is its own, so that hashing twice does no harm."""
        if _IS_PSEUDONYM.match(user_id):
            return user_id
        return PREFIX + hmac.new(self.key, user_id.encode(), hashlib.sha256).hexdigest()[:HEX_DIGITS]

"""Who may look and act: a file of names, roles and hashed passwords."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from clickwatch_service import UserError

_N, _R, _P = 2**14, 8, 1
"""Cost of a guess: 16 MiB and some 50 ms (scrypt)."""
_NOBODY = f"scrypt${base64.b64encode(b'nobody').decode()}${base64.b64encode(bytes(32)).decode()}"


def hashed(password: str, salt: bytes) -> str:
    """Return what the users file holds of a password."""
    digest = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=32)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


class Role(StrEnum):
    """What a user may do."""

    LOOK = "look"
    ACT = "act"
    """Look, and change what people are told: acknowledge, snooze, rules."""


@dataclass(frozen=True)
class User:
    """Someone who may look.

    Attributes:
        name: the name, as it is kept with what the user does.
        role: what the user may do.
    """

    name: str
    role: Role

    @property
    def may_act(self) -> bool:
        """Whether the user may change something."""
        return self.role is Role.ACT


@dataclass(frozen=True)
class Users:
    """The users there are.

    Attributes:
        hashes: name → hashed password.
        roles: name → role.
    """

    hashes: Mapping[str, str]
    roles: Mapping[str, Role]

    def with_password(self, name: str, password: str) -> User | None:
        """Return the user whose name and password these are; it takes as long for a name that is not there."""
        kept = self.hashes.get(name, _NOBODY)
        salt = base64.b64decode(kept.split("$")[1])
        return User(name, self.roles[name]) if hmac.compare_digest(hashed(password, salt), kept) else None


def read_users(file: Path) -> Users:
    """Return the users in a file. A line without a role, as an earlier release wrote it, is a user who may look.

    Raises:
        UserError: it cannot be read, holds a line that is none, or nobody.
    """
    remedy = "make it by `add-user`"
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"DASHBOARD_USERS_FILE={str(file)!r}: cannot be read ({error}); {remedy}") from None
    hashes, roles = {}, {}
    for number, line in enumerate(lines, 1):
        name, colon, rest = line.partition(":")
        role, _, kept = rest.rpartition(":")
        is_role = role in ("", *Role)
        if not (name and colon and is_role and kept.startswith("scrypt$") and kept.count("$") == 2):
            raise UserError(f"DASHBOARD_USERS_FILE={str(file)!r}: line {number} is no user; {remedy}")
        hashes[name], roles[name] = kept, Role(role or Role.LOOK)
    if not hashes:
        raise UserError(f"DASHBOARD_USERS_FILE={str(file)!r}: holds nobody; {remedy}")
    return Users(hashes, roles)


def add_user(file: Path, name: str, password: str, role: Role = Role.LOOK) -> None:
    """Put a user into the file, or give one who is there a new password and role.

    Raises:
        UserError: name or password cannot be used.
    """
    if not name or ":" in name or not name.isprintable():
        raise UserError(f"user {name!r}: a name has printable characters and no colon")
    if len(password) < 8:
        raise UserError("the password is too short: use at least 8 characters")
    before = read_users(file) if file.exists() else Users({}, {})
    hashes = {**before.hashes, name: hashed(password, secrets.token_bytes(16))}
    roles = {**before.roles, name: role}
    draft = file.with_name(f"{file.name}.new")
    with open(draft, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.writelines(f"{one}:{roles[one]}:{kept}\n" for one, kept in sorted(hashes.items()))
    draft.replace(file)

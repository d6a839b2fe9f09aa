"""Passwords of the login roles that the revisions create."""

from dataclasses import dataclass
from pathlib import Path

from clickwatch_service import UserError
from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege

LOGIN_ROLES = (
    "clickwatch_streaming",
    "clickwatch_batch",
    "clickwatch_reader",
    "clickwatch_privacy",
    "clickwatch_notifier",
)


@dataclass(frozen=True)
class RolePassword:
    """A role and the password its file holds."""

    role: str
    password: str

    def __repr__(self) -> str:
        """Return the role alone, so that no log can show the password."""
        return f"RolePassword({self.role!r})"


def read_passwords(folder: Path) -> list[RolePassword]:
    """Return the password of each login role, from the file named as the role.

    A line's end after the password does not belong to it.

    Raises:
        UserError: the folder or one of the files is missing, unreadable or empty.
    """
    return [RolePassword(role, _password(folder / role)) for role in LOGIN_ROLES]


def set_passwords(connection: Connection[object], passwords: list[RolePassword]) -> None:
    """Give each role its password, hashed here so that no server log can hold it.

    Raises:
        UserError: the role belongs to another owner.
    """
    for entry in passwords:
        hashed = connection.pgconn.encrypt_password(entry.password.encode(), entry.role.encode(), b"scram-sha-256")
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(entry.role), sql.Literal(hashed.decode())
        )
        try:
            connection.execute(statement)
        except InsufficientPrivilege:
            raise UserError(
                f"role {entry.role}: the role of DATABASE_URL may not set its password, another "
                "owner created it; migrate as that owner, or unset ROLE_PASSWORDS_DIR"
            ) from None


def _password(file: Path) -> str:
    remedy = f"ROLE_PASSWORDS_DIR must hold a file for each of {', '.join(LOGIN_ROLES)}"
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error}); {remedy}") from None
    if not password:
        raise UserError(f"{file}: is empty; {remedy}")
    return password

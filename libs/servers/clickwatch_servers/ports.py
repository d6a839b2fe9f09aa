"""Ports of 127.0.0.1."""

import socket

import psutil
from clickwatch_service import UserError

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


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

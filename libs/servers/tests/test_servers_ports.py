"""Ports that are free, and ports that are not."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from clickwatch_servers.ports import HOST, free_port, require_free
from clickwatch_service import UserError


def test_a_free_port_may_be_used() -> None:
    require_free(free_port(), "Kafka", "--kafka-port")


def test_a_port_given_once_is_given_to_no_other_process() -> None:
    ours = {free_port() for _ in range(50)}
    ask = "from clickwatch_servers.ports import free_port; print(*(free_port() for _ in range(2_000)))"

    theirs = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()

    assert len(ours) == 50
    assert len(set(theirs)) == 2_000
    assert ours.isdisjoint(map(int, theirs))


def test_a_port_is_none_that_an_outgoing_connection_may_take() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert free_port() < lowest


def test_a_port_in_use_is_named_with_who_needs_it_who_has_it_and_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(UserError, match=rf"port {port}, which Kafka needs, is in use by \S+ .*by --kafka-port"):
            require_free(port, "Kafka", "--kafka-port")

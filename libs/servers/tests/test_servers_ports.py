"""Ports that are free, and ports that are not."""

import socket

import pytest
from clickwatch_servers.ports import HOST, free_port, require_free
from clickwatch_service import UserError


def test_a_free_port_may_be_used() -> None:
    require_free(free_port(), "Kafka", "--kafka-port")


def test_a_port_in_use_is_named_with_who_needs_it_who_has_it_and_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(UserError, match=rf"port {port}, which Kafka needs, is in use by \S+ .*by --kafka-port"):
            require_free(port, "Kafka", "--kafka-port")

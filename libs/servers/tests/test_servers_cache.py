"""Folders that are made once, and ports."""

import socket
import threading
from pathlib import Path

import pytest
from clickwatch_servers.cache import cached_folder
from clickwatch_servers.ports import HOST, free_port, require_free
from clickwatch_service import UserError


def test_a_folder_is_filled_once_by_whoever_comes_first(tmp_path: Path) -> None:
    filled = []

    def fill(folder: Path) -> None:
        filled.append(folder)
        (folder / "content").touch()

    threads = [threading.Thread(target=cached_folder, args=("thing", fill, tmp_path)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(filled) == 1
    assert (tmp_path / "thing" / "content").exists()


def test_a_folder_that_could_not_be_filled_is_not_there(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise UserError("connection lost")

    with pytest.raises(UserError, match="connection lost"):
        cached_folder("thing", fill, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]


def test_a_free_port_may_be_used() -> None:
    require_free(free_port(), "Kafka", "--kafka-port")


def test_a_port_in_use_is_named_with_who_needs_it_who_has_it_and_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(UserError, match=rf"port {port}, which Kafka needs, is in use by \S+ .*by --kafka-port"):
            require_free(port, "Kafka", "--kafka-port")

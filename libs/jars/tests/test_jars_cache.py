"""Folders that are made once."""

import threading
from pathlib import Path

import pytest
from clickwatch_jars.cache import cached_folder
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

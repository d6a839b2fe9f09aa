"""Compaction of the lake, with a reader that never stops looking."""

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickwatch_service import UserError
from clickwatch_streaming.lake.compaction import compact
from clickwatch_streaming.lake.folder import LakeFolder

DAY = "2026-03-01"


def write(folder: Path, batch_id: int, *numbers: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"batch-{batch_id:010d}-00.parquet"
    pq.write_table(pa.table({"event_id": [str(number) for number in numbers]}), file)
    return file


def numbers_in(folder: Path) -> list[int] | None:
    """What a reader that lists and then opens sees; None where a file it listed is gone, so it lists again."""
    found: list[int] = []
    for file in sorted(folder.glob("*.parquet")):
        try:
            found += [int(row["event_id"]) for row in pq.ParquetFile(file).read().to_pylist()]
        except FileNotFoundError:
            return None
    return sorted(found)


@pytest.fixture
def lake(tmp_path: Path) -> LakeFolder:
    return LakeFolder(tmp_path / "lake")


def test_small_files_of_a_day_become_one_with_the_same_rows(lake: LakeFolder) -> None:
    folder = lake.events / f"event_date={DAY}"
    for batch_id in range(3):
        write(folder, batch_id, 2 * batch_id, 2 * batch_id + 1)
    write(lake.window_stats / f"window_date={DAY}", 0, 7)

    done = list(compact(lake))

    assert [(each.folder, each.before, each.after) for each in done] == [(folder, 3, 1)]
    assert numbers_in(folder) == [0, 1, 2, 3, 4, 5]


def test_the_next_compaction_clears_what_the_last_one_replaced(lake: LakeFolder) -> None:
    folder = lake.events / f"event_date={DAY}"
    write(folder, 0, 0)
    write(folder, 1, 1)
    list(compact(lake))
    replaced = lake.root / "_compacting"
    assert numbers_in(replaced / "events" / folder.name) == [0, 1]

    list(compact(lake))

    assert not replaced.exists()


def test_only_the_day_asked_for_is_compacted(lake: LakeFolder) -> None:
    other = lake.events / "event_date=2026-03-02"
    for folder in (lake.events / f"event_date={DAY}", other):
        write(folder, 0, 1)
        write(folder, 1, 2)

    done = list(compact(lake, DAY))

    assert len(done) == 1
    assert len(list(other.iterdir())) == 2


def test_no_reader_sees_a_row_twice_or_not_at_any_moment(lake: LakeFolder) -> None:
    folder = lake.events / f"event_date={DAY}"
    write(folder, 0, 0)
    seen: list[list[int]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            numbers = numbers_in(folder)
            if numbers is not None:
                seen.append(numbers)

    reader = threading.Thread(target=look)
    reader.start()
    for batch_id in range(1, 60):
        staged = write(lake.root / "_staging", batch_id, batch_id)
        with lake.locked():
            staged.replace(folder / staged.name)
        if batch_id % 3 == 0:
            list(compact(lake))
    over.set()
    reader.join()

    assert len(seen) > 10
    for numbers in seen:
        assert numbers == list(range(len(numbers)))
    assert [len(numbers) for numbers in seen] == sorted(len(numbers) for numbers in seen)
    assert numbers_in(folder) == list(range(60))


def test_a_second_compaction_is_refused_while_one_runs(lake: LakeFolder) -> None:
    folder = lake.events / f"event_date={DAY}"
    write(folder, 0, 0)
    write(folder, 1, 1)
    write(lake.events / "event_date=2026-03-02", 0, 0)
    write(lake.events / "event_date=2026-03-02", 1, 1)
    running = compact(lake)
    next(running)

    with pytest.raises(UserError, match="another command is changing it"):
        list(compact(lake))

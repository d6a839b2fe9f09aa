"""BATCH_SOURCE=auto: the lake where it has the whole day, else the log."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from clickwatch_batch.engines.choice import find_input, source_of
from clickwatch_batch.settings import Settings, Source
from clickwatch_service import UserError

DAY = date(2026, 3, 2)
END_MS = 1_772_496_000_000
"""The first instant of 2026-03-03, UTC."""


def lake(data_dir: Path, days: list[date], closed_until_ms: int | None) -> Settings:
    for day in days:
        folder = data_dir / "lake" / "events" / f"event_date={day}"
        folder.mkdir(parents=True)
        (folder / "batch-0000000000-00.parquet").touch()
    records = data_dir / "lake" / "_batches"
    records.mkdir(parents=True)
    shown = "null" if closed_until_ms is None else closed_until_ms
    (records / "0000000000.json").write_text(f'{{"closed_until_ms": {shown}}}')
    return Settings(data_dir=data_dir, batch_source=Source.AUTO)


def test_a_lake_that_had_begun_and_has_come_to_the_end_has_the_whole_day(tmp_path: Path) -> None:
    settings = lake(tmp_path, [DAY - timedelta(days=1), DAY], END_MS)

    assert source_of(DAY, settings) is Source.LAKE
    assert find_input(DAY, settings).name == f"event_date={DAY}"


@pytest.mark.parametrize(
    ("days", "closed_until_ms"),
    [
        ([DAY - timedelta(days=1), DAY], END_MS - 1),  # still on its way
        ([DAY - timedelta(days=1), DAY], None),
        ([DAY], END_MS),  # begun in the middle of the day
        ([DAY - timedelta(days=1)], END_MS),  # nothing of the day
        ([], None),
    ],
)
def test_a_lake_that_may_lack_a_part_of_the_day_gives_way_to_the_log(
    tmp_path: Path, days: list[date], closed_until_ms: int | None
) -> None:
    settings = lake(tmp_path, days, closed_until_ms)

    assert source_of(DAY, settings) is Source.JSONL
    with pytest.raises(UserError, match=f"clickstream_{DAY}"):
        find_input(DAY, settings)


def test_what_is_chosen_by_name_stays(tmp_path: Path) -> None:
    settings = lake(tmp_path, [DAY - timedelta(days=1), DAY], END_MS)

    assert source_of(DAY, settings.model_copy(update={"batch_source": Source.JSONL})) is Source.JSONL

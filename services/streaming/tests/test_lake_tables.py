"""What the SQL of the lake says, against the same rules in plain Python and in Spark."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from clickwatch_streaming.events.windows import window_counts
from clickwatch_streaming.lake.folder import SLOT_MS
from clickwatch_streaming.lake.tables import BatchTables
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

START_MS = 1_772_366_400_000
MINUTE = 60_000
WATERMARK_MS = 10 * MINUTE
TIME = pa.timestamp("us", "UTC")
DECODED = pa.schema(
    {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "product_id": pa.string(),
        "product_category": pa.string(),
        "event_type": pa.string(),
        "timestamp": TIME,
        "session_id": pa.string(),
        "price_minor": pa.int64(),
        "currency": pa.string(),
        "quantity": pa.int32(),
        "is_bot": pa.bool_(),
        "schema_id": pa.int32(),
        "kafka_partition": pa.int32(),
        "kafka_offset": pa.int64(),
        "kafka_timestamp": TIME,
        "key": pa.binary(),
        "value": pa.binary(),
        "bad_reason": pa.string(),
    }
)


class Sent(NamedTuple):
    """An event in the log, its time in milliseconds after START_MS."""

    number: int
    partition: int
    time_ms: int
    kind: str = "view"
    product: str = "p"
    is_bot: bool | None = None


def at(time_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=START_MS + time_ms)


def write_decoded(folder: Path, log: list[Sent]) -> None:
    folder.mkdir()
    rows = []
    offsets: dict[int, int] = defaultdict(int)
    for sent in log:
        row = dict.fromkeys(DECODED.names)
        row |= {
            "event_id": str(sent.number),
            "product_id": sent.product,
            "product_category": "c",
            "event_type": sent.kind,
            "is_bot": sent.is_bot,
            "timestamp": at(sent.time_ms),
            "kafka_partition": sent.partition,
            "kafka_offset": offsets[sent.partition],
            "kafka_timestamp": at(sent.time_ms),
        }
        offsets[sent.partition] += 1
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows, DECODED), folder / "part.parquet")


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.parquet"))


def rows_in(folder: Path) -> list[dict[str, object]]:
    return [row for file in files_in(folder) for row in pq.ParquetFile(file).read().to_pylist()]


def written_events(root: Path, log: list[Sent], newest_before_ms: dict[int, int], closed_until_ms: int) -> Path:
    write_decoded(root / "decoded", log)
    with BatchTables(root / "scratch") as tables:
        tables.set_decoded([root / "decoded"])
        slots = tables.summary().slots
        tables.write_events(root / "events", [], slots, newest_before_ms, closed_until_ms, WATERMARK_MS)
    return root / "events"


@given(
    log=st.lists(
        st.builds(
            Sent,
            number=st.integers(0, 12),
            partition=st.integers(0, 2),
            time_ms=st.integers(0, 60).map(lambda minutes: minutes * MINUTE),
        ),
        min_size=1,
        max_size=25,
    ),
    newest_before=st.dictionaries(st.integers(0, 2), st.integers(0, 40).map(lambda m: START_MS + m * MINUTE)),
    closed_until=st.integers(-30, 20).map(lambda m: START_MS + m * MINUTE),
)
@settings(max_examples=60, deadline=None)
def test_an_event_meets_the_newest_before_it_in_its_partition_and_is_kept_once(
    log: list[Sent], newest_before: dict[int, int], closed_until: int
) -> None:
    # An event's id belongs to one time: what is sent again is the same event.
    log = [sent._replace(number=sent.number * 100 + sent.time_ms // MINUTE) for sent in log]
    newest = dict(newest_before)
    first: dict[str, tuple[int, int, int | None]] = {}
    offsets: dict[int, int] = defaultdict(int)
    for sent in log:
        time_ms = START_MS + sent.time_ms
        met = max(closed_until, newest.get(sent.partition, 0) - WATERMARK_MS)
        place = (sent.partition, offsets[sent.partition])
        known = first.get(str(sent.number))
        if known is None or place < known[:2]:
            first[str(sent.number)] = (*place, met if time_ms < met else None)
        newest[sent.partition] = max(newest.get(sent.partition, 0), time_ms)
        offsets[sent.partition] += 1

    with TemporaryDirectory() as scratch:
        rows = rows_in(written_events(Path(scratch), log, newest_before, closed_until))

    found = {
        str(row["event_id"]): (row["kafka_partition"], row["kafka_offset"], _epoch_ms(row["late_at"])) for row in rows
    }
    assert len(rows) == len(found)
    assert found == first


def test_windows_are_those_of_the_alert_path(spark: SparkSession, tmp_path: Path) -> None:
    kinds = ("view", "view", "add_to_cart", "purchase", "unknown")
    boundaries = [minutes * MINUTE + off for minutes in range(0, 60, 5) for off in (-1, 0, 1)]
    scattered = [number * 7_919_000 % (60 * MINUTE) for number in range(300)]
    log = [
        Sent(number, 0, time_ms, kinds[number % 5], f"p{number % 3}")
        for number, time_ms in enumerate(sorted(boundaries + scattered))
    ]
    files = files_in(written_events(tmp_path, log, {}, START_MS - 60 * MINUTE))
    # When an event came to Kafka is not in the lake, and not in its windows.
    events = spark.read.parquet(*map(str, files)).withColumn("kafka_timestamp", sf.lit(None).cast("timestamp"))
    columns = ("window_start", "window_end", "product_id", "product_category", "views", "carts", "purchases")

    for length, slide in ((10, 5), (10, 10), (15, 4)):
        folder = tmp_path / f"windows-{length}-{slide}"
        with BatchTables(tmp_path / "scratch") as tables:
            tables.write_windows(
                folder, files, START_MS - 60 * MINUTE, START_MS + 120 * MINUTE, length * MINUTE, slide * MINUTE
            )
        ours = {tuple(row[name] for name in (*columns, "total_events")) for row in rows_in(folder)}
        spark_rows = window_counts(events, timedelta(minutes=length), timedelta(minutes=slide)).collect()
        theirs = {(row.window_start.astimezone(UTC), row.window_end.astimezone(UTC), *row[2:8]) for row in spark_rows}
        assert ours == theirs


def test_what_a_bot_does_is_kept_and_counts_in_no_window(tmp_path: Path) -> None:
    log = [
        Sent(1, 0, 0),
        Sent(2, 0, 1, is_bot=True),
        Sent(3, 0, 2, is_bot=False),
        Sent(4, 0, 3, "purchase", is_bot=True),
    ]
    files = files_in(written_events(tmp_path, log, {}, START_MS))
    # A file of an earlier release knows nothing of bots.
    older = tmp_path / "older.parquet"
    pq.write_table(pq.read_table(files[0]).drop_columns(["is_bot"]).slice(0, 1), older)

    with BatchTables(tmp_path / "scratch") as tables:
        span = (START_MS, START_MS + 20 * MINUTE, 10 * MINUTE, 10 * MINUTE)
        tables.write_windows(tmp_path / "windows", [*files, older], *span)
        tables.write_windows(tmp_path / "older-windows", [older], *span)

    assert [row["is_bot"] for row in rows_in(tmp_path / "events")] == [None, True, False, True]
    (window,) = rows_in(tmp_path / "windows")
    assert (window["views"], window["purchases"], window["total_events"]) == (3, 0, 3)
    (window,) = rows_in(tmp_path / "older-windows")
    assert window["views"] == 1


def test_only_windows_between_the_two_watermarks_close(tmp_path: Path) -> None:
    files = files_in(written_events(tmp_path, [Sent(n, 0, n * MINUTE) for n in range(40)], {}, START_MS))

    with BatchTables(tmp_path / "scratch") as tables:
        tables.write_windows(
            tmp_path / "windows", files, START_MS + 10 * MINUTE, START_MS + 20 * MINUTE, 10 * MINUTE, 5 * MINUTE
        )

    ends = {_epoch_ms(row["window_end"]) for row in rows_in(tmp_path / "windows")}
    assert ends == {START_MS + 15 * MINUTE, START_MS + 20 * MINUTE}


def test_events_of_the_lake_are_left_out_of_a_later_batch(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    lake = files_in(written_events(tmp_path / "first", [Sent(1, 0, 0), Sent(2, 0, 2 * SLOT_MS)], {}, START_MS))
    write_decoded(tmp_path / "decoded", [Sent(2, 1, 2 * SLOT_MS), Sent(3, 1, 2 * SLOT_MS), Sent(1, 1, 0)])

    with BatchTables(tmp_path / "scratch") as tables:
        tables.set_decoded([tmp_path / "decoded"])
        tables.write_events(tmp_path / "events", lake, tables.summary().slots, {}, START_MS, WATERMARK_MS)

    assert [row["event_id"] for row in rows_in(tmp_path / "events")] == ["3"]


def _epoch_ms(time: object) -> int | None:
    if time is None:
        return None
    assert isinstance(time, datetime)
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_dead_letters_that_hold_an_event_are_told_by_its_id_and_by_no_user(tmp_path: Path) -> None:
    noon = at(0)
    rows = [
        {"event_id": f"id-{reason}", "user_id": "user_1", "product_id": "p", "event_type": "view", "timestamp": noon}
        | {"kafka_partition": 0, "kafka_offset": offset, "kafka_timestamp": noon, "bad_reason": reason}
        for offset, reason in enumerate([None, "future_timestamp", "unknown_event_type", "bad_framing"])
    ]
    (tmp_path / "decoded").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, DECODED), tmp_path / "decoded" / "part.parquet")

    with BatchTables(tmp_path / "scratch") as tables:
        tables.set_decoded([tmp_path / "decoded"])
        tables.write_dead_letter_events(tmp_path / "out")

    (day,) = (tmp_path / "out").iterdir()
    found = pq.read_table(next(day.glob("*.parquet")), partitioning=None)
    assert day.name == f"kafka_date={noon:%Y-%m-%d}"
    assert sorted(found["event_id"].to_pylist()) == ["id-future_timestamp", "id-unknown_event_type"]
    assert "user_id" not in found.column_names

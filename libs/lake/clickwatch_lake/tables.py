"""What the lake's tables are: columns, partitions and properties."""

from enum import StrEnum

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import IcebergType, IntegerType, LongType, NestedField, StringType, TimestamptzType

CATALOG = "clickwatch"
NAMESPACE = "lake"


class LakeTable(StrEnum):
    """A table of the lake; its value is the table's name."""

    EVENTS = "events"
    WINDOW_STATS = "window_stats"
    DEAD_LETTERS = "dead_letters"

    @property
    def identifier(self) -> tuple[str, str]:
        """Its name in the catalog."""
        return (NAMESPACE, self.value)

    @property
    def time_column(self) -> str:
        """The column by whose day (UTC) its files are parted."""
        return _TIME_COLUMNS[self]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(name for name, _ in _COLUMNS[self])

    @property
    def schema(self) -> Schema:
        """Its columns. All are nullable, as they are in every file that DuckDB or Spark writes."""
        fields = enumerate(_COLUMNS[self], start=1)
        return Schema(*(NestedField(field_id, name, kind, required=False) for field_id, (name, kind) in fields))

    @property
    def partition_spec(self) -> PartitionSpec:
        """Its partition: the day of `time_column`, taken from the values in a file, not from a folder's name."""
        source_id = self.schema.find_field(self.time_column).field_id
        return PartitionSpec(PartitionField(source_id, 1000, DayTransform(), f"{self.time_column}_day"))

    @property
    def properties(self) -> dict[str, str]:
        """How it is written.

        Readers find columns of files without Iceberg's field ids by the name mapping. A commit that lost a race
        is never repeated by pyiceberg itself, because who repeats it must look at the batch's key first. Snapshot
        isolation lets a compaction pass beside appends. Old metadata stays until it is swept: a commit that is
        rolled back may not have deleted what the table still stands on.
        """
        return {
            "format-version": "2",
            "schema.name-mapping.default": self.schema.name_mapping.model_dump_json(),
            "commit.retry.num-retries": "0",
            "write.delete.isolation-level": "snapshot",
            "write.update.isolation-level": "snapshot",
            "write.metadata.delete-after-commit.enabled": "false",
            "write.metadata.previous-versions-max": "20",
            "write.parquet.compression-codec": "zstd",
        }


_TIME_COLUMNS = {
    LakeTable.EVENTS: "timestamp",
    LakeTable.WINDOW_STATS: "window_start",
    LakeTable.DEAD_LETTERS: "kafka_timestamp",
}

_COLUMNS: dict[LakeTable, tuple[tuple[str, IcebergType], ...]] = {
    # Every valid event once. `late_at` is the watermark that a late one met.
    LakeTable.EVENTS: (
        ("event_id", StringType()),
        ("user_id", StringType()),
        ("product_id", StringType()),
        ("product_category", StringType()),
        ("event_type", StringType()),
        ("timestamp", TimestamptzType()),
        ("session_id", StringType()),
        ("price_minor", LongType()),
        ("currency", StringType()),
        ("schema_id", IntegerType()),
        ("kafka_partition", IntegerType()),
        ("kafka_offset", LongType()),
        ("late_at", TimestamptzType()),
    ),
    # One row a closed window and product.
    LakeTable.WINDOW_STATS: (
        ("window_start", TimestamptzType()),
        ("window_end", TimestamptzType()),
        ("product_id", StringType()),
        ("product_category", StringType()),
        ("views", LongType()),
        ("carts", LongType()),
        ("purchases", LongType()),
        ("total_events", LongType()),
    ),
    # What could not be used, by its place in Kafka; columns of the event where it could be read. None names a user.
    LakeTable.DEAD_LETTERS: (
        ("event_id", StringType()),
        ("product_id", StringType()),
        ("event_type", StringType()),
        ("timestamp", TimestamptzType()),
        ("reason", StringType()),
        ("kafka_partition", IntegerType()),
        ("kafka_offset", LongType()),
        ("kafka_timestamp", TimestamptzType()),
    ),
}

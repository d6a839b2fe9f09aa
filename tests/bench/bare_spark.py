"""The bare Spark queries that ours are measured against: the same window by product and nothing else.

Kafka → from_avro of both schema versions → sliding window by product; no duplicates dropped, no dead letters,
no lake, no projector. The decoding is the fastest we know (each message decoded once, only the fields that the
window needs). A program of its own, so that every query has a fresh JVM as ours has.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_events.framing import frame
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_service import run_cli
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.avro.functions import from_avro

_STATE_STORE = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
_FIELDS = ("product_id", "event_type", "timestamp")
VIEWS_THRESHOLD = 100

app = typer.Typer(add_completion=False, no_args_is_help=True)
Bootstrap = Annotated[str, typer.Option()]
Checkpoint = Annotated[Path, typer.Option()]
Jars = Annotated[Path, typer.Option(help="Folder of Spark's connectors.")]


def _session(master: str, jars: Path) -> SparkSession:
    """Spark with the settings of the streaming service."""
    settings = {
        "spark.jars": ",".join(str(jar) for jar in sorted(jars.glob("*.jar"))),
        "spark.driver.memory": "1500m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        # A batch without data only drops old windows, and nobody waits for it.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.stateStore.providerClass": _STATE_STORE,
        "spark.sql.streaming.stateStore.checkpointFormatVersion": "2",
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    }
    builder = SparkSession.builder.master(master).appName("bare")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _windows(spark: SparkSession, bootstrap: str, topic: str, registry: str, records_a_batch: int | None) -> DataFrame:
    """Counts by product and window as they change; columns window_start, product_id, views, purchases."""
    source = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
    )
    if records_a_batch is not None:
        source = source.option("maxOffsetsPerTrigger", records_a_batch)
    ids = Registry(registry).ids(EVENTS)
    reader = json.loads(schema_text(EVENTS, 2))
    reader["fields"] = [one for one in reader["fields"] if one["name"] in _FIELDS]
    options = {"avroSchema": json.dumps(reader), "mode": "PERMISSIVE"}
    body = sf.substring("value", 6, 2**31 - 1)
    v1, v2 = (
        (sf.startswith(sf.col("value"), sf.lit(frame(ids[version], b""))), schema_text(EVENTS, version))
        for version in (1, 2)
    )
    event = sf.when(v2[0], from_avro(body, v2[1], options)).when(v1[0], from_avro(body, v1[1], options))
    # Through an array, or else the optimizer decodes a message once for each field.
    decoded = source.load().select(sf.explode(sf.array(event)).alias("event")).select("event.*")
    counts = (
        decoded.withWatermark("timestamp", "10 minutes")
        .groupBy(sf.window("timestamp", "10 minutes", "5 minutes"), "product_id")
        .agg(
            sf.count_if(sf.col("event_type") == "view").alias("views"),
            sf.count_if(sf.col("event_type") == "purchase").alias("purchases"),
        )
    )
    return counts.select(sf.col("window.start").alias("window_start"), "product_id", "views", "purchases")


@app.command()
def drain(
    bootstrap: Bootstrap,
    topic: Annotated[str, typer.Option()],
    registry: Annotated[str, typer.Option()],
    checkpoint: Checkpoint,
    jars: Jars,
    master: Annotated[str, typer.Option()],
    records_a_batch: Annotated[int, typer.Option()],
) -> None:
    """Read a topic to its end in micro-batches, count the rows of each, and end."""
    windows = _windows(_session(master, jars), bootstrap, topic, registry, records_a_batch)

    def count(rows: DataFrame, batch_id: int) -> None:
        typer.echo(f"batch {batch_id}: {rows.count()} windows")

    query = (
        windows.writeStream.outputMode("update")
        .foreachBatch(count)
        .option("checkpointLocation", str(checkpoint))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


@app.command()
def microbatch(
    bootstrap: Bootstrap,
    topic: Annotated[str, typer.Option()],
    registry: Annotated[str, typer.Option()],
    checkpoint: Checkpoint,
    jars: Jars,
    prefix: Annotated[str, typer.Option(help="Print the hot products whose id begins so.")],
) -> None:
    """Run micro-batches as fast as they come; print `product_id time_ns` for each hot product of a batch."""
    windows = _windows(_session("local[2]", jars), bootstrap, topic, registry, None)
    hot = windows.where(sf.col("views") > VIEWS_THRESHOLD)

    def tell(rows: DataFrame, batch_id: int) -> None:
        seen = rows.collect()
        now = time.time_ns()
        for product in {row.product_id for row in seen if row.product_id.startswith(prefix)}:
            print(product, now, flush=True)

    hot.writeStream.outputMode("update").foreachBatch(tell).option(
        "checkpointLocation", str(checkpoint)
    ).start().awaitTermination()


@app.command()
def realtime(
    bootstrap: Bootstrap,
    topic: Annotated[str, typer.Option()],
    registry: Annotated[str, typer.Option()],
    checkpoint: Checkpoint,
    jars: Jars,
    result_topic: Annotated[str, typer.Option()],
    checkpoint_interval: Annotated[str, typer.Option()],
) -> None:
    """Run in Real-Time Mode; each change of a hot window goes to the result topic, keyed by product."""
    windows = _windows(_session("local[8]", jars), bootstrap, topic, registry, None)
    hot = windows.where(sf.col("views") > VIEWS_THRESHOLD)
    value = sf.concat_ws(" ", sf.col("window_start").cast("string"), "views", "purchases")
    writer = (
        hot.select(sf.col("product_id").alias("key"), value.alias("value"))
        .writeStream.format("kafka")
        .outputMode("update")
        .option("kafka.bootstrap.servers", bootstrap)
        .option("topic", result_topic)
        .option("checkpointLocation", str(checkpoint))
    )
    # pyspark's type stubs do not list this trigger yet.
    writer.trigger(realTime=checkpoint_interval).start().awaitTermination()  # type: ignore[call-overload]


if __name__ == "__main__":
    run_cli(app)

-- Dead letters that could be read all the same: the batch layer finds by their ids why the lake lacks an event.
-- No field of theirs names a user.
COPY (
    SELECT
        event_id,
        product_id,
        event_type,
        timestamp,
        bad_reason AS reason,
        kafka_partition,
        kafka_offset,
        kafka_timestamp::DATE AS kafka_date
    FROM decoded
    WHERE bad_reason IN ('future_timestamp', 'unknown_event_type') AND event_id IS NOT NULL
) TO $folder (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (kafka_date))

COPY (
    SELECT
        bad_reason AS reason,
        kafka_partition,
        kafka_offset,
        kafka_timestamp,
        schema_id,
        key,
        value,
        replays,
        replayed_from,
        was_parked,
        bad_detail AS detail
    FROM decoded
    WHERE bad_reason NOT IN ('heartbeat', 'nudge', 'parked')
) TO $file (FORMAT parquet, COMPRESSION zstd)

-- Messages to be decoded once the registry answers, with the names the Kafka source gives them.
COPY (
    SELECT
        key,
        value,
        kafka_partition AS partition,
        kafka_offset AS "offset",
        kafka_timestamp AS timestamp,
        replays,
        replayed_from,
        true AS was_parked
    FROM decoded
    WHERE bad_reason = 'parked'
) TO $file (FORMAT parquet, COMPRESSION zstd)

COPY (
    SELECT bad_reason AS reason, kafka_partition, kafka_offset, kafka_timestamp, schema_id, key, value
    FROM decoded
    WHERE bad_reason <> 'heartbeat'
) TO $file (FORMAT parquet, COMPRESSION zstd)

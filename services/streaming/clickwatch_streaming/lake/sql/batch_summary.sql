-- One row for each Kafka partition, reason and time slot of a batch.
SELECT
    kafka_partition,
    bad_reason,
    CASE WHEN bad_reason IS NULL THEN epoch_ms(timestamp) // $slot_ms END AS slot,
    count(*) AS messages,
    max(kafka_offset) AS last_offset,
    min(epoch_ms(timestamp)) AS oldest_ms,
    max(epoch_ms(timestamp)) AS newest_ms,
    max(epoch_ms(kafka_timestamp)) AS newest_kafka_ms
FROM decoded
GROUP BY ALL

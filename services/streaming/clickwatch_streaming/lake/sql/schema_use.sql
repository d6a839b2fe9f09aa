-- The schemas that the events of a batch were written with.
SELECT schema_id, count(*) AS messages, max(epoch_ms(kafka_timestamp)) AS last_ms
FROM decoded
WHERE bad_reason IS NULL AND schema_id IS NOT NULL
GROUP BY schema_id

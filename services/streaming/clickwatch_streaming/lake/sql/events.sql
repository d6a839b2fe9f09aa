-- The events of a batch that the lake does not have yet, each once, late ones marked.
COPY (
    WITH good AS (
        -- One number to compare instead of two: the partition above 48 bits of offset.
        SELECT *, kafka_partition * (1::BIGINT << 48) + kafka_offset AS position
        FROM decoded
        WHERE bad_reason IS NULL
    ),

    -- Of each event that occurs more than once the first message is kept, or none where the lake has it.
    repeated AS (
        SELECT event_id, min(position) AS kept
        FROM (
            SELECT event_id, position FROM good
            UNION ALL
            -- A duplicate has the timestamp of the event it repeats, so only rows of the batch's times matter.
            SELECT event_id, -1 FROM lake_events WHERE list_contains($slots, epoch_ms(timestamp) // $slot_ms)
        )
        GROUP BY event_id
        HAVING count(*) > 1
    ),

    -- The watermark each event met: behind the newest event at offsets before it in its own partition,
    -- and behind what earlier batches have closed (lateness.py has the rule).
    met AS (
        SELECT
            position,
            epoch_ms(timestamp) AS timestamp_ms,
            greatest(
                max(epoch_ms(timestamp)) OVER (
                    PARTITION BY kafka_partition ORDER BY kafka_offset
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) - $watermark_ms,
                newest_before.newest_ms - $watermark_ms,
                $closed_until_ms
            ) AS watermark_ms
        FROM good
        LEFT JOIN newest_before USING (kafka_partition)
    ),

    late AS (
        SELECT position, watermark_ms FROM met WHERE timestamp_ms < watermark_ms
    )

    SELECT
        event_id,
        user_id,
        product_id,
        product_category,
        event_type,
        timestamp,
        session_id,
        price_minor,
        currency,
        quantity,
        is_bot,
        schema_id::INTEGER AS schema_id,
        kafka_partition,
        kafka_offset,
        epoch_ms(watermark_ms)::TIMESTAMPTZ AS late_at,
        timestamp::DATE AS event_date
    FROM good
    LEFT JOIN repeated USING (event_id)
    LEFT JOIN late USING (position)
    WHERE kept IS NULL OR kept = position
) TO $folder (
    FORMAT parquet, COMPRESSION zstd, PARTITION_BY (event_date),
    -- clickwatch_events.limits.JUDGED: who reads the file need not judge its events again
    KV_METADATA {'clickwatch.limits': '1'}
)

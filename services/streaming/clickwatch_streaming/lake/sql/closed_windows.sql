-- Counts of the sliding windows that end after $after_ms and not after $until_ms.
-- The windows are those of windows.py; a test holds the two against each other.
COPY (
    WITH placed AS (
        SELECT
            event.*,
            timestamp_ms - timestamp_ms % $slide_ms - step * $slide_ms AS start_ms
        FROM (
            SELECT product_id, product_category, event_type, late_at, epoch_ms(timestamp) AS timestamp_ms
            FROM lake_events
            WHERE timestamp >= epoch_ms($after_ms - $length_ms)::TIMESTAMPTZ
                AND timestamp < epoch_ms($until_ms)::TIMESTAMPTZ
                AND is_bot IS NOT TRUE -- what bots do stays in the lake and counts nowhere
        ) AS event
        CROSS JOIN generate_series(0, ($length_ms - 1) // $slide_ms) AS steps (step)
    )

    SELECT
        epoch_ms(start_ms)::TIMESTAMPTZ AS window_start,
        epoch_ms(start_ms + $length_ms)::TIMESTAMPTZ AS window_end,
        product_id,
        max(product_category) AS product_category,
        count(*) FILTER (WHERE event_type = 'view') AS views,
        count(*) FILTER (WHERE event_type = 'add_to_cart') AS carts,
        count(*) FILTER (WHERE event_type = 'purchase') AS purchases,
        count(*) AS total_events,
        epoch_ms(start_ms)::DATE AS window_date
    FROM placed
    WHERE timestamp_ms < start_ms + $length_ms
        AND start_ms + $length_ms > $after_ms
        AND start_ms + $length_ms <= $until_ms
        -- An event too late for this window stays out of it, and counts in those that end later.
        AND (late_at IS NULL OR start_ms + $length_ms > epoch_ms(late_at))
    GROUP BY start_ms, product_id
) TO $folder (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (window_date))

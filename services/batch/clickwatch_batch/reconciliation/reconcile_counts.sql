-- Every count of every product by the speed layer's windows, by the lake and by batch.
-- Windows overlap: those that start at multiples of their length, counted from midnight, have each event once.
CREATE TABLE metric_of (event_type VARCHAR, metric VARCHAR);
INSERT INTO metric_of VALUES
    ('view', 'views'), ('add_to_cart', 'carts'), ('purchase', 'purchases'),
    ('view', 'total_events'), ('add_to_cart', 'total_events'), ('purchase', 'total_events'),
    ('unknown', 'total_events'), ('refund', 'total_events');

CREATE VIEW lake_of_day AS
SELECT
    id_of(event_id) AS event_id,
    product_id,
    event_type,
    -- late for the window it lies in: that had closed when it came
    late_at IS NOT NULL
        AND epoch_ms(late_at) >= epoch_ms(timestamp) - epoch_ms(timestamp) % getvariable('length_ms') + getvariable('length_ms') AS is_late
FROM lake_events
WHERE epoch_ms(timestamp) >= getvariable('day_ms') AND epoch_ms(timestamp) < getvariable('day_ms') + 86400000;

CREATE TABLE counts AS
SELECT
    product_id,
    metric,
    CAST(sum(speed_value) AS BIGINT) AS speed_value,
    CAST(sum(batch_value) AS BIGINT) AS batch_value,
    CAST(sum(lake_value) AS BIGINT) AS lake_value,
    CAST(sum(lake_late) AS BIGINT) AS lake_late
FROM (
    SELECT product_id, metric, value AS speed_value, 0 AS batch_value, 0 AS lake_value, 0 AS lake_late
    FROM (
        SELECT product_id, views, carts, purchases, total_events
        FROM window_stats
        WHERE epoch_ms(window_start) % getvariable('length_ms') = 0
            AND epoch_ms(window_start) >= getvariable('day_ms') AND epoch_ms(window_start) < getvariable('day_ms') + 86400000
    ) UNPIVOT (value FOR metric IN (views, carts, purchases, total_events))
    UNION ALL
    SELECT product_id, metric, 0, value, 0, 0
    FROM (
        SELECT product_id, view_count AS views, cart_count AS carts, purchase_count AS purchases, total_events
        FROM product_performance
        JOIN product_events USING (product_id)
    ) UNPIVOT (value FOR metric IN (views, carts, purchases, total_events))
    UNION ALL
    SELECT product_id, metric, 0, 0, events, late
    FROM (
        SELECT product_id, event_type, count(*) AS events, count(*) FILTER (WHERE is_late) AS late
        FROM lake_of_day
        GROUP BY ALL
    )
    JOIN metric_of USING (event_type)
)
GROUP BY ALL;

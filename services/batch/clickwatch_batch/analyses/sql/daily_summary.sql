-- The day in one row. buyer_rate is buyers / users * 100, rounded as in category_conversion.sql.
SELECT
    total_events,
    views,
    carts,
    purchases,
    unknown_events,
    buyer_count,
    user_count - buyer_count AS window_shopper_count,
    CAST(
        CAST(
            CASE
                WHEN user_count = 0 THEN 0
                ELSE (2 * 10000 * buyer_count + user_count - (2 * 10000 * buyer_count + user_count) % (2 * user_count))
                    / (2 * user_count)
            END AS DECIMAL(20, 0)
        ) * 0.01 AS DECIMAL(20, 2)
    ) AS buyer_rate,
    revenue_minor
FROM (
    SELECT
        count(*) AS total_events,
        count(*) FILTER (WHERE event_type = 'view') AS views,
        count(*) FILTER (WHERE event_type = 'add_to_cart') AS carts,
        count(*) FILTER (WHERE event_type = 'purchase') AS purchases,
        count(*) FILTER (WHERE event_type = 'unknown') AS unknown_events,
        CAST(
            coalesce(sum(CAST(amount_minor AS DECIMAL(38, 0))), 0) AS BIGINT
        ) AS revenue_minor
    FROM events
) AS event_counts
CROSS JOIN (
    SELECT
        count(*) AS user_count,
        count(*) FILTER (WHERE segment = 'buyer') AS buyer_count
    FROM user_segments
) AS user_counts

-- Purchases / views * 100 a category, two decimals, half up; 0 where nothing was viewed (spec, batch layer).
-- The rounding is done in whole numbers, hundredths of a per cent: a quotient of two counts is a
-- floating-point number on either engine, and a half would fall on either side. What is divided below
-- is a multiple of its divisor, so that quotient is exact.
SELECT
    category,
    views,
    carts,
    purchases,
    CAST(
        CAST(
            CASE
                WHEN views = 0 THEN 0
                ELSE (2 * 10000 * purchases + views - (2 * 10000 * purchases + views) % (2 * views)) / (2 * views)
            END AS DECIMAL(20, 0)
        ) * 0.01 AS DECIMAL(20, 2)
    ) AS conversion_rate,
    revenue_minor
FROM (
    SELECT
        product_category AS category,
        count(*) FILTER (WHERE event_type = 'view') AS views,
        count(*) FILTER (WHERE event_type = 'add_to_cart') AS carts,
        count(*) FILTER (WHERE event_type = 'purchase') AS purchases,
        CAST(
            coalesce(sum(CAST(amount_minor AS DECIMAL(38, 0))), 0) AS BIGINT
        ) AS revenue_minor
    FROM events
    GROUP BY product_category
) AS counts
ORDER BY category

-- Alerts, those that changed last first, narrowed by what is not null.
SELECT
    product_id,
    window_start,
    window_end,
    product_category,
    views,
    purchases,
    status,
    detected_at,
    updated_at,
    (
        -- Apart, so that a page of rows is read by the index and not after a sort of all.
        SELECT count(*)
        FROM flash_sale_alerts
        WHERE (%(status)s::text IS NULL OR status = %(status)s)
            AND (%(category)s::text IS NULL OR product_category = %(category)s)
            AND (%(product)s::text IS NULL OR product_id = %(product)s)
            AND (%(since)s::timestamptz IS NULL OR window_start >= %(since)s)
            AND (%(until)s::timestamptz IS NULL OR window_start < %(until)s)
    ) AS total
FROM flash_sale_alerts
WHERE (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(category)s::text IS NULL OR product_category = %(category)s)
    AND (%(product)s::text IS NULL OR product_id = %(product)s)
    AND (%(since)s::timestamptz IS NULL OR window_start >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR window_start < %(until)s)
ORDER BY updated_at DESC, product_id, window_start
LIMIT %(limit)s OFFSET %(offset)s

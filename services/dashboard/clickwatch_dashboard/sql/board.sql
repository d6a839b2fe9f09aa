-- What page Now shows: the active alerts, then those that ended lately.
(
    SELECT product_id, window_start, window_end, product_category, views, purchases, status, detected_at, updated_at
    FROM flash_sale_alerts
    WHERE status = 'active'
    ORDER BY window_start DESC, detected_at DESC, product_id
    LIMIT %(active)s
)
UNION ALL
(
    SELECT product_id, window_start, window_end, product_category, views, purchases, status, detected_at, updated_at
    FROM flash_sale_alerts
    WHERE status <> 'active' AND updated_at >= %(since)s
    ORDER BY updated_at DESC, product_id
    LIMIT %(ended)s
)

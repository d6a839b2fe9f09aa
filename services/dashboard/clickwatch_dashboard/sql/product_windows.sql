-- The windows of one product: closed ones, and the counts so far of those that raised an alert.
SELECT window_start, window_end, product_category, views, carts, purchases, true AS closed
FROM window_counts
WHERE product_id = %(product)s AND window_start >= %(since)s
UNION ALL
SELECT window_start, window_end, product_category, views, NULL, purchases, status = 'confirmed'
FROM flash_sale_alerts AS alert
WHERE product_id = %(product)s
    AND window_start >= %(since)s
    AND NOT EXISTS (
        SELECT FROM window_counts AS counted
        WHERE counted.product_id = alert.product_id AND counted.window_start = alert.window_start
    )
ORDER BY window_start

-- Closed windows from $since on, of each the products that were looked at most.
SELECT window_start, product_id, window_end, product_category, views, carts, purchases
FROM read_parquet($files, hive_partitioning = false)
WHERE window_start >= $since
QUALIFY row_number() OVER (PARTITION BY window_start ORDER BY views DESC, product_id) <= $most
ORDER BY window_start, product_id

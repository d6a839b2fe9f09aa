INSERT INTO window_counts (
    window_start, product_id, window_end, product_category, views, carts, purchases
)
SELECT window_start, product_id, window_end, product_category, views, carts, purchases
FROM unnest(
    %(starts)s::timestamptz[],
    %(products)s::text[],
    %(ends)s::timestamptz[],
    %(categories)s::text[],
    %(views)s::bigint[],
    %(carts)s::bigint[],
    %(purchases)s::bigint[]
) AS wanted (window_start, product_id, window_end, product_category, views, carts, purchases)
ON CONFLICT (product_id, window_start) DO UPDATE
SET window_end = excluded.window_end,
    product_category = excluded.product_category,
    views = excluded.views,
    carts = excluded.carts,
    purchases = excluded.purchases

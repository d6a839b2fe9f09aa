-- One product, day by day; a day it was not seen on has no row.
SELECT kept.report_date, kept.rank, kept.view_count, kept.cart_count, kept.purchase_count
FROM generate_series(%(until)s::date - %(days)s::integer + 1, %(until)s::date, interval '1 day') AS wanted (day)
-- A look at the primary key for each day: nothing is indexed by product alone.
JOIN LATERAL (
    SELECT report_date, rank, view_count, cart_count, purchase_count
    FROM product_performance
    WHERE report_date = wanted.day::date AND product_id = %(product)s
    OFFSET 0
) AS kept ON true
ORDER BY kept.report_date

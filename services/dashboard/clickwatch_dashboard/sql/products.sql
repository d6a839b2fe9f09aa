-- The products of a day from some rank on: ranks are 1, 2, 3 … without gap or tie.
SELECT
    rank,
    product_id,
    view_count,
    cart_count,
    purchase_count,
    (SELECT max(rank) FROM product_performance WHERE report_date = %(day)s) AS total
FROM product_performance
WHERE report_date = %(day)s AND rank > %(offset)s
ORDER BY rank
LIMIT %(limit)s

-- The products of a day whose id holds a text.
SELECT rank, product_id, view_count, cart_count, purchase_count, count(*) OVER () AS total
FROM product_performance
WHERE report_date = %(day)s AND strpos(lower(product_id), lower(%(search)s)) > 0
ORDER BY rank
LIMIT %(limit)s OFFSET %(offset)s

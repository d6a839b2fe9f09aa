-- Products of the last hour's closed windows whose id holds a text, the most looked at first.
SELECT product_id, sum(views)::bigint AS views
FROM window_counts
WHERE window_start >= (SELECT max(window_start) FROM window_counts) - interval '1 hour'
    AND strpos(lower(product_id), lower(%(search)s)) > 0
GROUP BY product_id
ORDER BY views DESC, product_id
LIMIT %(limit)s

-- Products of the last two days' closed windows whose id holds a text, the most looked at first.
SELECT product_id, sum(views)::bigint AS views
FROM window_counts
WHERE strpos(lower(product_id), lower(%(search)s)) > 0
GROUP BY product_id
ORDER BY views DESC, product_id
LIMIT %(limit)s

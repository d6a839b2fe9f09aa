-- Products by views. Products with as many views stand in the order of their ids, so that ranks have no ties.
SELECT
    product_id,
    view_count,
    cart_count,
    purchase_count,
    row_number() OVER (ORDER BY view_count DESC, product_id) AS rank
FROM (
    SELECT
        product_id,
        count(*) FILTER (WHERE event_type = 'view') AS view_count,
        count(*) FILTER (WHERE event_type = 'add_to_cart') AS cart_count,
        count(*) FILTER (WHERE event_type = 'purchase') AS purchase_count
    FROM events
    GROUP BY product_id
) AS counts
ORDER BY rank

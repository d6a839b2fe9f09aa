-- All events of each product, those of an unknown type too: what reconciliation holds against the speed layer.
SELECT
    product_id,
    count(*) AS total_events
FROM events
GROUP BY product_id

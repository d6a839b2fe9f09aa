-- Speed against batch for a day: the totals, then the products that differ most.
SELECT metric, product_id, speed_value, batch_value, difference, late, duplicate, quarantined, unexplained
FROM reconciliation
WHERE report_date = %(day)s
ORDER BY
    product_id <> '',
    array_position(ARRAY['views', 'carts', 'purchases', 'total_events'], CASE WHEN product_id = '' THEN metric END),
    abs(unexplained) DESC,
    abs(difference) DESC,
    product_id,
    metric
LIMIT %(limit)s

SELECT
    metric,
    product_id,
    speed_value,
    batch_value,
    CAST(coalesce(late, 0) AS BIGINT) AS late,
    CAST(coalesce(duplicate, 0) AS BIGINT) AS duplicate,
    CAST(coalesce(quarantined, 0) AS BIGINT) AS quarantined
FROM counts
LEFT JOIN (
    SELECT
        product_id,
        metric,
        sum(amount) FILTER (WHERE reason = 'late') AS late,
        sum(amount) FILTER (WHERE reason = 'duplicate') AS duplicate,
        sum(amount) FILTER (WHERE reason = 'quarantined') AS quarantined
    FROM reasons
    JOIN metric_of USING (event_type)
    GROUP BY ALL
) USING (product_id, metric)
ORDER BY metric, product_id

COPY (
    SELECT report_date, metric, regexp_replace(product_id, %(formula)s, %(neutral)s) AS product_id, speed_value, batch_value, difference, late, duplicate, quarantined, unexplained
    FROM reconciliation
    WHERE report_date = %(day)s
    ORDER BY metric, product_id
) TO STDOUT (FORMAT csv, HEADER)

COPY (
    SELECT report_date, rank, regexp_replace(product_id, %(formula)s, %(neutral)s) AS product_id, view_count, cart_count, purchase_count
    FROM product_performance
    WHERE report_date = %(day)s
    ORDER BY rank
) TO STDOUT (FORMAT csv, HEADER)

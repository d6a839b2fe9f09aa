COPY (
    SELECT report_date, rank, product_id, view_count, cart_count, purchase_count
    FROM product_performance
    WHERE report_date = %(day)s
    ORDER BY rank
) TO STDOUT (FORMAT csv, HEADER)

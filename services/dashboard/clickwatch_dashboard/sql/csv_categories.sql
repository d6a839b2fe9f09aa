COPY (
    SELECT report_date, category, views, carts, purchases, conversion_rate, revenue_minor
    FROM category_conversion
    WHERE report_date = %(day)s
    ORDER BY category
) TO STDOUT (FORMAT csv, HEADER)

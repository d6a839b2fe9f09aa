COPY (
    SELECT report_date, regexp_replace(category, %(formula)s, %(neutral)s) AS category, views, carts, purchases, conversion_rate, revenue_minor
    FROM category_conversion
    WHERE report_date = %(day)s
    ORDER BY category
) TO STDOUT (FORMAT csv, HEADER)

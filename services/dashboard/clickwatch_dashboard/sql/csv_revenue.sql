COPY (
    SELECT report_date, regexp_replace(currency, %(formula)s, %(neutral)s) AS currency, revenue_minor
    FROM revenue_by_currency
    WHERE report_date = %(day)s
    ORDER BY currency
) TO STDOUT (FORMAT csv, HEADER)

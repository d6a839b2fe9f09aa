-- What a day and those before it earned in each currency.
SELECT report_date, currency, revenue_minor
FROM revenue_by_currency
WHERE report_date BETWEEN %(day)s::date - %(days)s::integer + 1 AND %(day)s::date
ORDER BY report_date, currency = '', currency

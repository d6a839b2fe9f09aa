-- Each category's way from views to purchases, the best first.
SELECT category, views, carts, purchases, conversion_rate, revenue_minor
FROM category_conversion
WHERE report_date = %(day)s
ORDER BY conversion_rate DESC, category

-- Revenue in each currency's smallest unit: sums over different currencies mean nothing, so the report says
-- when there are several. Purchases without a price bring nothing.
SELECT
    coalesce(currency, '') AS currency,
    CAST(sum(CAST(price_minor AS DECIMAL(38, 0))) AS BIGINT) AS revenue_minor
FROM events
WHERE event_type = 'purchase' AND price_minor IS NOT NULL
GROUP BY coalesce(currency, '')
ORDER BY currency

-- Revenue in each currency's smallest unit: sums over different currencies mean nothing, so the report says
-- when there are several. Purchases without a price bring nothing, and
-- refunds take away what they give back.
SELECT
    coalesce(currency, '') AS currency,
    CAST(sum(CAST(amount_minor AS DECIMAL(38, 0))) AS BIGINT) AS revenue_minor
FROM events
WHERE amount_minor IS NOT NULL
GROUP BY coalesce(currency, '')
ORDER BY currency

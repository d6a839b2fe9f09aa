-- A day's events in the lake as rows for table `lines`. The lake has each event once; should one be there
-- twice, the first counts, by file and by row.
SELECT
    user_id,
    product_id,
    product_category,
    event_type,
    price_minor,
    currency,
    CASE
        WHEN row_number() OVER (PARTITION BY event_id ORDER BY file, row) > 1 THEN 'duplicate'
        ELSE 'event'
    END AS verdict
FROM lake

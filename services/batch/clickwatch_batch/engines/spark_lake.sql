-- A day's events in the lake as rows for table `lines`. The lake has each event once; should one be there
-- twice, the first counts, by file and by row. What an earlier release let in although it is no event
-- (clickwatch_events.limits) is malformed. A file may lack what no analysis asks for: then that is NULL.
CREATE OR REPLACE TEMPORARY FUNCTION is_text(value STRING) RETURNS BOOLEAN RETURN
    octet_length(value) BETWEEN 1 AND 1024 AND NOT value RLIKE r'[\x00-\x1f\x7f-\x9f]';

WITH judged AS (
    SELECT
        *,
        coalesce(
            is_text(event_id) AND is_text(user_id) AND is_text(product_id) AND is_text(product_category)
                AND (timestamp IS NULL OR timestamp >= CAST('2000-01-01T00:00:00Z' AS TIMESTAMP))
                AND (session_id IS NULL OR is_text(session_id))
                AND (price_minor IS NULL OR price_minor BETWEEN 0 AND 999999999999999)
                AND (currency IS NULL OR currency RLIKE r'\A[A-Z]{3}\z'),
            false
        ) AS is_event
    FROM lake
    WHERE is_bot IS NOT TRUE
)

SELECT
    user_id,
    product_id,
    product_category,
    event_type,
    CASE event_type
        WHEN 'purchase' THEN price_minor * coalesce(quantity, 1)
        WHEN 'refund' THEN -price_minor * coalesce(quantity, 1)
    END AS amount_minor,
    currency,
    CASE
        WHEN NOT is_event THEN 'malformed'
        WHEN row_number() OVER (PARTITION BY is_event, event_id ORDER BY file, row) > 1 THEN 'duplicate'
        ELSE 'event'
    END AS verdict
FROM judged

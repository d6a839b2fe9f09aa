-- Rows that an earlier release let into the lake although they are no events (clickwatch_events.limits).
-- `unjudged` has the files that do not say that all of their events were judged. A file may lack what no analysis
-- asks for: then that is NULL.
CREATE OR REPLACE MACRO is_text(value) AS
    strlen(value) BETWEEN 1 AND 1024 AND NOT regexp_matches(value, '[\x00-\x1f\x7f-\x{9f}]');

CREATE OR REPLACE TABLE malformed AS
SELECT filename, file_row_number
FROM unjudged
WHERE NOT coalesce(
    is_text(event_id) AND is_text(user_id) AND is_text(product_id) AND is_text(product_category)
    AND (timestamp IS NULL OR timestamp >= CAST('2000-01-01T00:00:00Z' AS TIMESTAMPTZ))
    AND (session_id IS NULL OR is_text(session_id))
    AND (price_minor IS NULL OR price_minor BETWEEN 0 AND 999999999999999)
    AND (currency IS NULL OR regexp_full_match(currency, '[A-Z]{3}')),
    false
);

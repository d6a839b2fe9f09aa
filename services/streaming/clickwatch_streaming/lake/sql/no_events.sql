-- A lake without events: for a batch whose times no file of it holds, and for columns that older files lack.
SELECT
    NULL::VARCHAR AS event_id,
    NULL::VARCHAR AS product_id,
    NULL::VARCHAR AS product_category,
    NULL::VARCHAR AS event_type,
    NULL::TIMESTAMPTZ AS timestamp,
    NULL::TIMESTAMPTZ AS late_at,
    NULL::BOOLEAN AS is_bot
WHERE false

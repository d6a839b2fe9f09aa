-- Lake and log differ in number: event by event, which of them counts what, and what speaks for it.
CREATE TABLE reasons AS
WITH sides AS (
    SELECT
        event_id,
        product_id,
        event_type,
        CAST(NOT is_late AS INTEGER) AS in_windows,
        CAST(is_late AS INTEGER) AS late,
        1 AS lake_rows,
        0 AS counted,
        0 AS log_lines
    FROM lake_of_day
    UNION ALL
    SELECT event_id, product_id, event_type, 0, 0, 0, counted, log_lines FROM log_events
),

events AS (
    SELECT
        event_id,
        product_id,
        event_type,
        sum(in_windows) AS in_windows,
        sum(late) AS late,
        sum(counted) AS counted,
        sum(sum(lake_rows)) OVER of_id AS lake_rows,
        sum(sum(log_lines)) OVER of_id AS log_lines
    FROM sides
    GROUP BY event_id, product_id, event_type
    WINDOW of_id AS (PARTITION BY event_id)
)

SELECT
    product_id,
    event_type,
    CAST(in_windows - counted AS BIGINT) AS amount,
    CASE
        WHEN in_windows < counted AND late > 0 THEN 'late'
        -- a line without an id cannot be found in the lake
        WHEN event_id IS NULL THEN 'unexplained'
        WHEN lake_rows = 0 AND event_id IN (FROM dead_letter_ids) THEN 'quarantined'
        WHEN log_lines = 0 AND event_id IN (FROM kept_aside_ids) THEN 'quarantined'
        WHEN lake_rows > 0 AND log_lines > 0 AND (lake_rows > 1 OR log_lines > 1) THEN 'duplicate'
        ELSE 'unexplained'
    END AS reason
FROM events
WHERE in_windows <> counted;

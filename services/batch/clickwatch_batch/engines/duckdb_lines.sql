-- A day's JSONL as table `lines`: a row for each line that is not blank, in the order of the file, with a
-- verdict. Every column is read as JSON text, because a typed column would take 17 or true for a name and
-- round 5.7 to 6; with ignore_errors a line that is no JSON object becomes a row of NULLs, never no row.

-- Rules about values: clickwatch_events.limits, docs/events.md. A property test holds these macros against them.

-- whether it is a JSON string of 1 to 1024 bytes, all of them ASCII, that stands for itself and holds no control
-- character: of these JSON allows none but DEL unescaped
CREATE MACRO is_plain_string(json) AS
    starts_with(json, '"') AND NOT contains(json, '\') AND strlen(json) BETWEEN 3 AND 1026
    AND strlen(json) = length(json) AND NOT contains(json, chr(127));

-- the text a JSON string stands for, where it is 1 to 1024 bytes without a control character; else NULL.
-- Escapes and other scripts are rare and dear, so they come second.
CREATE MACRO string_value(json) AS
    CASE
        WHEN is_plain_string(json) THEN substring(json, 2, length(json) - 2)
        WHEN starts_with(json, '"') AND strlen(json ->> '$') BETWEEN 1 AND 1024
            AND NOT regexp_matches(json ->> '$', '[\x00-\x1f\x7f-\x{9f}]')
        THEN json ->> '$'
    END;

-- three capital letters
CREATE MACRO currency_value(json) AS
    CASE
        WHEN regexp_full_match(json, '"[A-Z]{3}"') THEN substring(json, 2, 3)
        WHEN contains(json, '\') AND regexp_full_match(json ->> '$', '[A-Z]{3}') THEN json ->> '$'
    END;

-- whole numbers of at most 15 digits, not negative
CREATE MACRO price_value(json) AS
    CASE
        WHEN NOT contains(json, '.') AND NOT contains(json, 'e')
            AND try_cast(json AS BIGINT) BETWEEN 0 AND 999999999999999
        THEN try_cast(json AS BIGINT)
    END;

-- an instant from 2000 to 2099 in the forms of clickwatch_events.times, each of which has an offset. Of the
-- shape that producers of ours write, a cast takes no other text than the pattern does, and costs a tenth of it.
CREATE MACRO instant(value) AS
    CASE
        WHEN (value LIKE '____-__-__T__:__:__.___Z' AND NOT contains(value, ' ') AND NOT contains(value, 'T24'))
            OR regexp_full_match(
                value,
                '[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-]((0[0-9]|1[0-3])(:?[0-5][0-9])?|14(:?00)?))'
            )
        THEN try_cast(value AS TIMESTAMPTZ)
    END;

CREATE TYPE event_type AS ENUM ('view', 'add_to_cart', 'purchase', 'unknown');
CREATE TYPE verdict AS ENUM ('event', 'other_day', 'malformed', 'duplicate');

CREATE TABLE lines AS
SELECT
    id_of(event_id) AS event_id,
    user_id,
    product_id,
    product_category,
    event_type,
    price_minor,
    currency,
    CASE
        WHEN user_id IS NULL OR product_id IS NULL OR product_category IS NULL OR event_type IS NULL
            OR happened_at IS NULL OR happened_at < CAST('2000-01-01T00:00:00Z' AS TIMESTAMPTZ)
            OR happened_at >= CAST('2100-01-01T00:00:00Z' AS TIMESTAMPTZ)
            OR NOT optional_fields_are_valid THEN CAST('malformed' AS verdict)
        WHEN happened_at >= CAST($day AS TIMESTAMPTZ)
            AND happened_at < CAST($next_day AS TIMESTAMPTZ) THEN CAST('event' AS verdict)
        ELSE CAST('other_day' AS verdict)
    END AS verdict
FROM (
    SELECT
        string_value(event_id) AS event_id,
        string_value(user_id) AS user_id,
        string_value(product_id) AS product_id,
        string_value(product_category) AS product_category,
        -- a type newer than this release counts as unknown, as Avro readers see it
        CASE event_type
            WHEN '"view"' THEN CAST('view' AS event_type)
            WHEN '"add_to_cart"' THEN CAST('add_to_cart' AS event_type)
            WHEN '"purchase"' THEN CAST('purchase' AS event_type)
            ELSE CASE WHEN string_value(event_type) IS NOT NULL THEN CAST('unknown' AS event_type) END
        END AS event_type,
        instant(string_value("timestamp")) AS happened_at,
        price_value(price_minor) AS price_minor,
        currency_value(currency) AS currency,
        (event_id IS NULL OR string_value(event_id) IS NOT NULL)
            AND (session_id IS NULL OR is_plain_string(session_id) OR string_value(session_id) IS NOT NULL)
            AND (price_minor IS NULL OR price_value(price_minor) IS NOT NULL)
            AND (currency IS NULL OR currency_value(currency) IS NOT NULL) AS optional_fields_are_valid
    FROM (
        SELECT
            CAST(event_id AS VARCHAR) AS event_id,
            CAST(user_id AS VARCHAR) AS user_id,
            CAST(product_id AS VARCHAR) AS product_id,
            CAST(product_category AS VARCHAR) AS product_category,
            CAST(event_type AS VARCHAR) AS event_type,
            CAST("timestamp" AS VARCHAR) AS "timestamp",
            CAST(session_id AS VARCHAR) AS session_id,
            CAST(price_minor AS VARCHAR) AS price_minor,
            CAST(currency AS VARCHAR) AS currency
        FROM read_json(
            $log,
            format = 'newline_delimited',
            ignore_errors = true,
            columns = {
                'event_id': 'JSON', 'user_id': 'JSON', 'product_id': 'JSON', 'product_category': 'JSON',
                'event_type': 'JSON', 'timestamp': 'JSON', 'session_id': 'JSON', 'price_minor': 'JSON',
                'currency': 'JSON'
            }
        )
    )
);

-- Of lines with one event id the first of the file counts. Only ids that occur twice are looked at by line:
-- sorting all of them would cost more than the rest of the analysis.
CREATE TABLE repeated_ids AS
SELECT event_id
FROM lines
WHERE verdict = 'event' AND event_id IS NOT NULL
GROUP BY event_id
HAVING count(*) > 1;

UPDATE lines
SET verdict = 'duplicate'
WHERE rowid IN (
    SELECT line
    FROM (
        SELECT
            lines.rowid AS line,
            row_number() OVER (PARTITION BY event_id ORDER BY lines.rowid) AS occurrence
        FROM lines
        SEMI JOIN repeated_ids USING (event_id)
        WHERE verdict = 'event'
    )
    WHERE occurrence > 1
);

CREATE VIEW events AS
SELECT
    user_id,
    product_id,
    product_category,
    event_type,
    CASE WHEN event_type = 'purchase' THEN price_minor END AS amount_minor,
    currency
FROM lines
WHERE verdict = 'event';

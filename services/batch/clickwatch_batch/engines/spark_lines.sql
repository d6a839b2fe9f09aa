-- A day's JSONL as rows for table `lines`, by the rules of duckdb_lines.sql, for Spark 4 in ANSI mode.
-- `raw_lines` has every line as it is: value, block (where its part of the file begins), n (ascending in the file).

-- the text a JSON string stands for, where it is 1 to 1024 bytes without a control character; else NULL
CREATE OR REPLACE TEMPORARY FUNCTION string_value(json VARIANT) RETURNS STRING RETURN
    CASE
        WHEN schema_of_variant(json) = 'STRING'
            AND octet_length(try_variant_get(json, '$', 'string')) BETWEEN 1 AND 1024
            AND NOT try_variant_get(json, '$', 'string') RLIKE r'[\x00-\x1f\x7f-\x9f]'
        THEN try_variant_get(json, '$', 'string')
    END;

-- three capital letters
CREATE OR REPLACE TEMPORARY FUNCTION currency_value(json VARIANT) RETURNS STRING RETURN
    CASE WHEN string_value(json) RLIKE r'\A[A-Z]{3}\z' THEN string_value(json) END;

-- whole numbers of at most 15 digits, not negative
CREATE OR REPLACE TEMPORARY FUNCTION price_value(json VARIANT) RETURNS BIGINT RETURN
    CASE
        WHEN schema_of_variant(json) = 'BIGINT'
            AND try_variant_get(json, '$', 'bigint') BETWEEN 0 AND 999999999999999
        THEN try_variant_get(json, '$', 'bigint')
    END;

-- not there, or null
CREATE OR REPLACE TEMPORARY FUNCTION is_absent(json VARIANT) RETURNS BOOLEAN RETURN
    json IS NULL OR is_variant_null(json);

-- an instant from 2000 to 2099 in the forms of clickwatch_events.times, each of which has an offset
CREATE OR REPLACE TEMPORARY FUNCTION instant(value STRING) RETURNS TIMESTAMP RETURN
    CASE
        WHEN value RLIKE r'\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-]((0[0-9]|1[0-3])(:?[0-5][0-9])?|14(:?00)?))\z'
        -- Spark wants seconds before an offset
        THEN try_cast(regexp_replace(value, '^([^:]*:[0-9]{2})(Z|[+-].*)$', '$1:00$2') AS TIMESTAMP)
    END;

-- one spelling for each UUID; any other text stands for itself
CREATE OR REPLACE TEMPORARY FUNCTION identity(id STRING) RETURNS STRING RETURN
    CASE
        WHEN replace(id, '-', '') RLIKE '^[{]?[0-9a-fA-F]{32}[}]?$' THEN lower(translate(id, '-{}', ''))
        WHEN id IS NOT NULL THEN concat('text ', id)
    END;

WITH parsed AS (
    -- An object is put before its line's end is marked by one with a key nobody can guess, so that
    -- whatever follows the first object on a line, even well-formed, is noticed.
    SELECT
        block,
        n,
        trim(BOTH '\t\u000B\f\r ' FROM value) = '' AS is_blank,
        CASE
            WHEN octet_length(value) <= 1048576 AND is_valid_utf8(value)
            THEN from_json(
                concat('[', value, ',{"', :mark, '":0}]'),
                'ARRAY<MAP<STRING, VARIANT>>',
                map('allowSingleQuotes', 'false')
            )
        END AS objects
    FROM raw_lines
),

fields AS (
    SELECT
        block,
        n,
        is_blank,
        is_object,
        string_value(object['event_id']) AS event_id,
        string_value(object['user_id']) AS user_id,
        string_value(object['product_id']) AS product_id,
        string_value(object['product_category']) AS product_category,
        string_value(object['event_type']) AS event_type,
        instant(string_value(object['timestamp'])) AS happened_at,
        price_value(object['price_minor']) AS price_minor,
        currency_value(object['currency']) AS currency,
        (is_absent(object['event_id']) OR string_value(object['event_id']) IS NOT NULL)
            AND (is_absent(object['session_id']) OR string_value(object['session_id']) IS NOT NULL)
            AND (is_absent(object['price_minor']) OR price_value(object['price_minor']) IS NOT NULL)
            AND (is_absent(object['currency']) OR currency_value(object['currency']) IS NOT NULL)
            AS optional_fields_are_valid
    FROM (
        SELECT
            block,
            n,
            is_blank,
            size(objects) = 2 AND map_contains_key(get(objects, 1), :mark) AS is_object,
            get(objects, 0) AS object
        FROM parsed
    )
),

judged AS (
    SELECT
        *,
        CASE
            WHEN is_blank THEN 'blank'
            WHEN NOT coalesce(is_object, false) OR user_id IS NULL OR product_id IS NULL OR product_category IS NULL
                OR event_type IS NULL OR happened_at IS NULL
                OR happened_at < CAST('2000-01-01T00:00:00Z' AS TIMESTAMP)
                OR happened_at >= CAST('2100-01-01T00:00:00Z' AS TIMESTAMP)
                OR NOT optional_fields_are_valid THEN 'malformed'
            WHEN happened_at >= CAST(:day AS TIMESTAMP) AND happened_at < CAST(:next_day AS TIMESTAMP) THEN 'event'
            ELSE 'other_day'
        END AS verdict
    FROM fields
)

SELECT
    block,
    n,
    user_id,
    product_id,
    product_category,
    -- a type newer than this release counts as unknown, as Avro readers see it
    CASE WHEN event_type IN ('view', 'add_to_cart', 'purchase') THEN event_type ELSE 'unknown' END AS event_type,
    CASE WHEN event_type = 'purchase' THEN price_minor END AS amount_minor,
    currency,
    -- Of lines with one event id the first of the file counts. Lines without one are each their own.
    CASE
        WHEN verdict = 'event' AND identity(event_id) IS NOT NULL
            AND row_number() OVER (
                PARTITION BY verdict, identity(event_id), CASE WHEN identity(event_id) IS NULL THEN n END
                ORDER BY block, n
            ) > 1
        THEN 'duplicate'
        ELSE verdict
    END AS verdict
FROM judged

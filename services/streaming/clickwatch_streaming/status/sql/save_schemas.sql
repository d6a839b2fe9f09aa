-- Exactly these ids: a lake that began anew has forgotten the others.
WITH wanted AS (
    SELECT schema_id, version, messages, last_seen
    FROM unnest(%(ids)s::bigint[], %(versions)s::integer[], %(messages)s::bigint[], %(last_seen)s::timestamptz[])
        AS wanted (schema_id, version, messages, last_seen)
),

forgotten AS (
    DELETE FROM stream_schemas
    WHERE topic = %(topic)s AND schema_id NOT IN (SELECT schema_id FROM wanted)
)

INSERT INTO stream_schemas (topic, schema_id, version, messages, last_seen)
SELECT %(topic)s, schema_id, version, messages, last_seen
FROM wanted
ON CONFLICT (topic, schema_id) DO UPDATE
SET version = coalesce(excluded.version, stream_schemas.version),
    messages = excluded.messages,
    last_seen = excluded.last_seen

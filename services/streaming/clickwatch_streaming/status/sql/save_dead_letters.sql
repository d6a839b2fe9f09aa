-- Exactly these reasons: a lake that began anew has forgotten the others.
WITH wanted AS (
    SELECT reason, messages FROM unnest(%(reasons)s::text[], %(messages)s::bigint[]) AS wanted (reason, messages)
),

forgotten AS (
    DELETE FROM stream_dead_letters
    WHERE topic = %(topic)s AND reason NOT IN (SELECT reason FROM wanted)
)

INSERT INTO stream_dead_letters (topic, reason, messages)
SELECT %(topic)s, reason, messages
FROM wanted
ON CONFLICT (topic, reason) DO UPDATE SET messages = excluded.messages

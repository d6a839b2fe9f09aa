SELECT topic, schema_id, version, messages, last_seen
FROM stream_schemas
ORDER BY topic, schema_id

-- Schema ids to ask the registry for; the frequent ones where bad messages name very many.
SELECT schema_id
FROM decoded
WHERE bad_reason = 'unknown_schema_id'
    AND schema_id < 1::BIGINT << 31 -- no registry has higher ones
GROUP BY schema_id
ORDER BY count(*) DESC, schema_id
LIMIT 1000

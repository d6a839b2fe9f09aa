-- How many alerts are active, and how many ended how since some time.
SELECT 'active' AS status, count(*) AS alerts
FROM flash_sale_alerts
WHERE status = 'active'
UNION ALL
SELECT status, count(*) AS alerts
FROM flash_sale_alerts
WHERE status <> 'active' AND updated_at >= %(since)s
GROUP BY status

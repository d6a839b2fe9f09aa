-- The last whole day that the batch layer has done.
SELECT
    report_date,
    generated_at
FROM daily_summary
WHERE NOT unfinished
ORDER BY report_date DESC
LIMIT 1

-- When each layer last had something to say.
SELECT
    (SELECT max(updated_at) FROM flash_sale_alerts) AS alerts_updated_at,
    (SELECT window_end FROM window_counts ORDER BY window_start DESC LIMIT 1) AS windows_until,
    (SELECT max(report_date) FROM daily_summary WHERE NOT unfinished) AS last_day,
    (SELECT generated_at FROM daily_summary WHERE NOT unfinished ORDER BY report_date DESC LIMIT 1) AS last_day_generated_at

-- The days there are, newest first.
SELECT report_date
FROM daily_summary
ORDER BY report_date DESC
LIMIT %(limit)s

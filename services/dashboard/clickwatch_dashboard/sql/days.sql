-- The days there are, newest first.
SELECT report_date, unfinished
FROM daily_summary
ORDER BY report_date DESC
LIMIT %(limit)s

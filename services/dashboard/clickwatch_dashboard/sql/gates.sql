-- The quality gates of a day, the worst verdict first.
SELECT gate, measured, warn_at, fail_at, verdict, note
FROM quality_gates
WHERE report_date = %(day)s
ORDER BY array_position(ARRAY['fail', 'warn', 'pass'], verdict), gate

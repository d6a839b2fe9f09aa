COPY (
    SELECT report_date, total_events, buyer_count, window_shopper_count, buyer_rate, revenue_minor, duplicate_events, malformed_lines, other_day_events, generated_at, unfinished, refused_records
    FROM daily_summary
    WHERE report_date = %(day)s
    ORDER BY report_date
) TO STDOUT (FORMAT csv, HEADER)

COPY (
    SELECT report_date, user_id, segment
    FROM user_segments
    WHERE report_date = %(day)s
    ORDER BY user_id
) TO STDOUT (FORMAT csv, HEADER)

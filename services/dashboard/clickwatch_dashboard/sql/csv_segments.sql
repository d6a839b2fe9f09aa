COPY (
    SELECT report_date, regexp_replace(user_id, %(formula)s, %(neutral)s) AS user_id, segment
    FROM user_segments
    WHERE report_date = %(day)s
    ORDER BY user_id
) TO STDOUT (FORMAT csv, HEADER)

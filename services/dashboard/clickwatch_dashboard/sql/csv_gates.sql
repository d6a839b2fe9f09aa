COPY (
    SELECT report_date, gate, measured, warn_at, fail_at, verdict, regexp_replace(note, %(formula)s, %(neutral)s) AS note
    FROM quality_gates
    WHERE report_date = %(day)s
    ORDER BY gate
) TO STDOUT (FORMAT csv, HEADER)

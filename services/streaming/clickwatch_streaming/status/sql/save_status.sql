INSERT INTO stream_status (
    topic,
    updated_at,
    messages_per_second,
    alerts_unread,
    lake_unread,
    newest_event_time,
    closed_until,
    lake_written_at,
    events,
    duplicates,
    late,
    dead_letters,
    troubles
)
VALUES (
    %(topic)s,
    %(updated_at)s,
    %(messages_per_second)s,
    %(alerts_unread)s,
    %(lake_unread)s,
    %(newest_event_time)s,
    %(closed_until)s,
    %(lake_written_at)s,
    %(events)s,
    %(duplicates)s,
    %(late)s,
    %(dead_letters)s,
    %(troubles)s
)
ON CONFLICT (topic) DO UPDATE
SET updated_at = excluded.updated_at,
    messages_per_second = excluded.messages_per_second,
    alerts_unread = excluded.alerts_unread,
    lake_unread = excluded.lake_unread,
    newest_event_time = excluded.newest_event_time,
    closed_until = excluded.closed_until,
    lake_written_at = excluded.lake_written_at,
    events = excluded.events,
    duplicates = excluded.duplicates,
    late = excluded.late,
    dead_letters = excluded.dead_letters,
    troubles = excluded.troubles

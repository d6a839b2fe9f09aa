-- What the speed layer says of itself, the topic heard of last first.
SELECT
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
FROM stream_status
ORDER BY updated_at DESC, topic

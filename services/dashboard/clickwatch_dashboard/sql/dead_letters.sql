SELECT topic, reason, messages
FROM stream_dead_letters
WHERE messages > 0
ORDER BY messages DESC, topic, reason

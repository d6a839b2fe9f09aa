-- 16 bytes for an event id: the UUID it is, else a hash as wide
CREATE MACRO id_of(event_id) AS coalesce(try_cast(event_id AS UUID), CAST(md5(event_id) AS UUID));

-- The tables that tell of the speed layer, as db-migrations makes them.
CREATE TABLE stream_status (
    topic               text PRIMARY KEY,
    updated_at          timestamptz NOT NULL,
    messages_per_second double precision NOT NULL CHECK (messages_per_second >= 0),
    alerts_unread       bigint NOT NULL CHECK (alerts_unread >= 0),
    lake_unread         bigint NOT NULL CHECK (lake_unread >= 0),
    newest_event_time   timestamptz,
    closed_until        timestamptz,
    lake_written_at     timestamptz,
    events              bigint NOT NULL CHECK (events >= 0),
    duplicates          bigint NOT NULL CHECK (duplicates >= 0),
    late                bigint NOT NULL CHECK (late >= 0),
    dead_letters        bigint NOT NULL CHECK (dead_letters >= 0)
);

CREATE TABLE stream_dead_letters (
    topic    text NOT NULL,
    reason   text NOT NULL,
    messages bigint NOT NULL CHECK (messages >= 0),
    PRIMARY KEY (topic, reason)
);

CREATE TABLE stream_schemas (
    topic     text NOT NULL,
    schema_id bigint NOT NULL,
    version   integer,
    messages  bigint NOT NULL CHECK (messages >= 0),
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (topic, schema_id)
);

CREATE TABLE window_counts (
    window_start     timestamptz NOT NULL,
    product_id       text NOT NULL,
    window_end       timestamptz NOT NULL,
    product_category text NOT NULL,
    views            bigint NOT NULL CHECK (views >= 0),
    carts            bigint NOT NULL CHECK (carts >= 0),
    purchases        bigint NOT NULL CHECK (purchases >= 0),
    PRIMARY KEY (product_id, window_start)
);

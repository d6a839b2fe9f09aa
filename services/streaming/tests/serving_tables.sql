-- The two tables of the serving layer that the projector writes, as db-migrations makes them.
CREATE TABLE flash_sale_alerts (
    product_id       text NOT NULL,
    window_start     timestamptz NOT NULL,
    window_end       timestamptz NOT NULL,
    product_category text NOT NULL,
    views            bigint NOT NULL CHECK (views >= 0),
    purchases        bigint NOT NULL CHECK (purchases >= 0),
    status           text NOT NULL CHECK (status IN ('active', 'retracted', 'confirmed')),
    detected_at      timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (product_id, window_start),
    CHECK (window_end > window_start)
);

CREATE TABLE stream_offsets (
    consumer     text NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL CHECK (partition >= 0),
    next_offset  bigint NOT NULL CHECK (next_offset >= 0),
    closed_until timestamptz,
    PRIMARY KEY (consumer, topic, partition)
);

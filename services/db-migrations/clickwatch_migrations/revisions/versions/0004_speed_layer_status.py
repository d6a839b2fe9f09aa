"""What the speed layer says of itself, for people who watch it; and word of each change of an alert."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the status tables, the counts of closed windows, and the notifications."""
    op.execute("""
    -- one row a topic of events, replaced about once a second
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
    COMMENT ON COLUMN stream_status.alerts_unread IS
        'hot windows that are in no row yet, and what a backlog keeps from the alert query';
    COMMENT ON COLUMN stream_status.lake_unread IS 'messages that no lake batch has had yet';
    COMMENT ON COLUMN stream_status.newest_event_time IS 'in the lake';
    COMMENT ON COLUMN stream_status.events IS 'in the lake since its start, as are the three counts after it';

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

    -- closed windows of the last two days, of each the thousand products with the most views; all are in the lake
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
    CREATE INDEX window_counts_by_window ON window_counts (window_start);

    CREATE FUNCTION notify_flash_sale_alert() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        PERFORM pg_notify('flash_sale_alerts', '');
        RETURN NULL;
    END
    $body$;
    -- a statement, not a row: a thousand changes in one transaction are one notification
    CREATE TRIGGER flash_sale_alerts_changed AFTER INSERT OR UPDATE ON flash_sale_alerts
        FOR EACH STATEMENT EXECUTE FUNCTION notify_flash_sale_alert();

    GRANT SELECT, INSERT, UPDATE, DELETE
        ON stream_status, stream_dead_letters, stream_schemas, window_counts TO clickwatch_streaming;
    GRANT SELECT ON stream_status, stream_dead_letters, stream_schemas, window_counts TO clickwatch_reader;
    """)


def downgrade() -> None:
    """Drop the tables and the notifications."""
    op.execute("""
    DROP TRIGGER flash_sale_alerts_changed ON flash_sale_alerts;
    DROP FUNCTION notify_flash_sale_alert();
    DROP TABLE window_counts, stream_schemas, stream_dead_letters, stream_status;
    """)

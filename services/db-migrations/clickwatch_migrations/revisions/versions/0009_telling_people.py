"""What people are told of alerts: an outbox of changes, who was told, and the role that tells them."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the outbox, the deliveries and messages made of it, snoozes, and the role of the notifier."""
    op.execute("""
    -- one row for each state that an alert came into, written in the transaction that changed the alert
    CREATE TABLE alert_outbox (
        id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        product_id       text NOT NULL,
        window_start     timestamptz NOT NULL,
        window_end       timestamptz NOT NULL,
        product_category text NOT NULL,
        views            bigint NOT NULL CHECK (views >= 0),
        purchases        bigint NOT NULL CHECK (purchases >= 0),
        status_before    text CHECK (status_before IN ('active', 'retracted', 'confirmed')),
        status           text NOT NULL CHECK (status IN ('active', 'retracted', 'confirmed')),
        changed_at       timestamptz NOT NULL,
        planned_at       timestamptz,
        CHECK (window_end > window_start),
        CHECK (status_before IS DISTINCT FROM status)
    );
    COMMENT ON COLUMN alert_outbox.status_before IS 'NULL: the alert is new';
    COMMENT ON COLUMN alert_outbox.planned_at IS 'when its deliveries were decided; NULL: not yet';
    CREATE INDEX alert_outbox_unplanned ON alert_outbox (id) WHERE planned_at IS NULL;
    CREATE INDEX alert_outbox_by_time ON alert_outbox (changed_at);

    CREATE FUNCTION notify_alert_outbox() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        PERFORM pg_notify('alert_outbox', '');
        RETURN NULL;
    END
    $body$;
    CREATE TRIGGER alert_outbox_grew AFTER INSERT ON alert_outbox
        FOR EACH STATEMENT EXECUTE FUNCTION notify_alert_outbox();

    -- a channel hears of changes from when it was first seen, not of what went before
    CREATE TABLE notification_channels (
        channel    text PRIMARY KEY,
        first_seen timestamptz NOT NULL DEFAULT clock_timestamp()
    );

    -- what is sent: one change, several of a product, or a digest
    CREATE TABLE notification_messages (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        channel      text NOT NULL REFERENCES notification_channels,
        key          uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
        kind         text NOT NULL CHECK (kind IN ('changes', 'digest')),
        state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given_up')),
        attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        next_attempt timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_error   text,
        made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at     timestamptz,
        CHECK ((state = 'waiting') = (ended_at IS NULL))
    );
    COMMENT ON COLUMN notification_messages.key IS 'the same at each attempt, so that a receiver can tell a repetition';
    -- the next message of a channel is made when the one before is over: so they arrive in order
    CREATE UNIQUE INDEX notification_messages_waiting ON notification_messages (channel) WHERE state = 'waiting';
    CREATE INDEX notification_messages_by_time ON notification_messages (channel, made_at);

    CREATE TABLE notification_deliveries (
        outbox_id  bigint NOT NULL REFERENCES alert_outbox ON DELETE CASCADE,
        channel    text NOT NULL REFERENCES notification_channels,
        state      text NOT NULL CHECK (state IN ('waiting', 'in_message', 'sent', 'given_up', 'snoozed')),
        message_id bigint REFERENCES notification_messages,
        planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (outbox_id, channel),
        CHECK ((state IN ('waiting', 'snoozed')) = (message_id IS NULL))
    );
    CREATE INDEX notification_deliveries_waiting ON notification_deliveries (channel, outbox_id)
        WHERE state = 'waiting';
    CREATE INDEX notification_deliveries_by_message ON notification_deliveries (message_id);

    CREATE TABLE notification_snoozes (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        product_id    text NOT NULL,
        snoozed_from  timestamptz NOT NULL DEFAULT clock_timestamp(),
        snoozed_until timestamptz NOT NULL,
        who           text NOT NULL
    );
    CREATE INDEX notification_snoozes_by_product ON notification_snoozes (product_id, snoozed_until);

    DO $$
    BEGIN
        CREATE ROLE clickwatch_notifier LOGIN NOCREATEDB NOCREATEROLE;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        RAISE NOTICE 'role clickwatch_notifier exists already';
    END
    $$;
    GRANT USAGE ON SCHEMA public TO clickwatch_notifier;

    GRANT INSERT ON alert_outbox TO clickwatch_streaming;
    GRANT SELECT, DELETE ON alert_outbox TO clickwatch_notifier;
    GRANT UPDATE (planned_at) ON alert_outbox TO clickwatch_notifier;
    GRANT SELECT, INSERT, UPDATE, DELETE
        ON notification_channels, notification_messages, notification_deliveries, notification_snoozes
        TO clickwatch_notifier;
    GRANT SELECT
        ON alert_outbox, notification_channels, notification_messages, notification_deliveries, notification_snoozes
        TO clickwatch_reader;
    """)


def downgrade() -> None:
    """Drop the tables, and the role unless another database of the cluster uses it."""
    op.execute("""
    DROP TABLE notification_snoozes, notification_deliveries, notification_messages, notification_channels;
    DROP TABLE alert_outbox;
    DROP FUNCTION notify_alert_outbox();
    REVOKE ALL ON SCHEMA public FROM clickwatch_notifier;
    DO $$
    BEGIN
        DROP ROLE clickwatch_notifier;
    EXCEPTION
        WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'role clickwatch_notifier is kept: another database uses it';
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'role clickwatch_notifier is kept: it belongs to another owner';
    END
    $$;
    """)

"""Tables of the serving layer (spec, serving layer) and the projector's offsets.

Counts are bigint, money is bigint in the currency's smallest unit, rates are per cent with two
decimals, times are timestamptz.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables and the indexes their readers need."""
    op.execute("""
    CREATE TABLE daily_summary (
        report_date          date PRIMARY KEY,
        total_events         bigint NOT NULL CHECK (total_events >= 0),
        buyer_count          bigint NOT NULL CHECK (buyer_count >= 0),
        window_shopper_count bigint NOT NULL CHECK (window_shopper_count >= 0),
        buyer_rate           numeric(5, 2) NOT NULL CHECK (buyer_rate BETWEEN 0 AND 100),
        revenue_minor        bigint NOT NULL,
        duplicate_events     bigint NOT NULL CHECK (duplicate_events >= 0),
        malformed_lines      bigint NOT NULL CHECK (malformed_lines >= 0),
        other_day_events     bigint NOT NULL CHECK (other_day_events >= 0),
        generated_at         timestamptz NOT NULL
    );
    COMMENT ON COLUMN daily_summary.buyer_rate IS 'buyers / users * 100';
    COMMENT ON COLUMN daily_summary.generated_at IS
        'when the figures of this day last changed; a rerun with the same result keeps it';

    CREATE TABLE user_segments (
        report_date date NOT NULL,
        user_id     text NOT NULL,
        segment     text NOT NULL CHECK (segment IN ('buyer', 'window_shopper')),
        PRIMARY KEY (report_date, user_id)
    );
    -- the history of one user; the primary key serves a day and a user of a day
    CREATE INDEX user_segments_by_user ON user_segments (user_id, report_date);

    CREATE TABLE product_performance (
        report_date    date NOT NULL,
        product_id     text NOT NULL,
        view_count     bigint NOT NULL CHECK (view_count >= 0),
        cart_count     bigint NOT NULL CHECK (cart_count >= 0),
        purchase_count bigint NOT NULL CHECK (purchase_count >= 0),
        rank           bigint NOT NULL CHECK (rank >= 1),
        PRIMARY KEY (report_date, product_id)
    );
    -- the top of a day; ranks have no ties
    CREATE UNIQUE INDEX product_performance_by_rank ON product_performance (report_date, rank);

    CREATE TABLE category_conversion (
        report_date     date NOT NULL,
        category        text NOT NULL,
        views           bigint NOT NULL CHECK (views >= 0),
        carts           bigint NOT NULL CHECK (carts >= 0),
        purchases       bigint NOT NULL CHECK (purchases >= 0),
        conversion_rate numeric(20, 2) NOT NULL CHECK (conversion_rate >= 0),
        revenue_minor   bigint NOT NULL,
        PRIMARY KEY (report_date, category)
    );
    COMMENT ON COLUMN category_conversion.conversion_rate IS
        'purchases / views * 100, 0 without views; above 100 where purchases outnumber views';

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
    CREATE INDEX flash_sale_alerts_by_status ON flash_sale_alerts (status, window_start);
    CREATE INDEX flash_sale_alerts_by_window ON flash_sale_alerts (window_start);
    CREATE INDEX flash_sale_alerts_by_update ON flash_sale_alerts (updated_at);

    CREATE TABLE reconciliation (
        report_date date NOT NULL,
        metric      text NOT NULL,
        speed_value bigint NOT NULL,
        batch_value bigint NOT NULL,
        difference  bigint NOT NULL,
        PRIMARY KEY (report_date, metric),
        CHECK (difference = speed_value - batch_value)
    );

    -- how far a consumer of a topic has come, written in one transaction with its rows
    CREATE TABLE stream_offsets (
        consumer     text NOT NULL,
        topic        text NOT NULL,
        partition    integer NOT NULL CHECK (partition >= 0),
        next_offset  bigint NOT NULL CHECK (next_offset >= 0),
        closed_until timestamptz,
        PRIMARY KEY (consumer, topic, partition)
    );
    """)


def downgrade() -> None:
    """Drop the tables and what they hold."""
    op.execute("""
    DROP TABLE stream_offsets, reconciliation, flash_sale_alerts, category_conversion,
        product_performance, user_segments, daily_summary;
    """)

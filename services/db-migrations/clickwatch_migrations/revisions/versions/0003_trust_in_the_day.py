"""How far speed and batch agree about a day, and what the quality gates said of it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give reconciliation its reasons and products, and the gates a table.

    Nothing wrote `reconciliation` before this revision, so it is made anew.
    """
    op.execute("""
    DROP TABLE reconciliation;
    CREATE TABLE reconciliation (
        report_date date NOT NULL,
        metric      text NOT NULL CHECK (metric IN ('views', 'carts', 'purchases', 'total_events')),
        product_id  text NOT NULL,
        speed_value bigint NOT NULL CHECK (speed_value >= 0),
        batch_value bigint NOT NULL CHECK (batch_value >= 0),
        difference  bigint NOT NULL,
        late        bigint NOT NULL,
        duplicate   bigint NOT NULL,
        quarantined bigint NOT NULL,
        unexplained bigint NOT NULL,
        PRIMARY KEY (report_date, metric, product_id),
        CHECK (difference = speed_value - batch_value),
        CHECK (difference = late + duplicate + quarantined + unexplained)
    );
    COMMENT ON TABLE reconciliation IS
        'closed windows of the speed layer against the counts of a day: in total, and by product where they differ';
    COMMENT ON COLUMN reconciliation.product_id IS 'empty for the total over all products';
    COMMENT ON COLUMN reconciliation.late IS 'minus the events that came after their windows had closed';

    CREATE TABLE quality_gates (
        report_date date NOT NULL,
        gate        text NOT NULL,
        measured    numeric NOT NULL,
        warn_at     numeric,
        fail_at     numeric,
        verdict     text NOT NULL CHECK (verdict IN ('pass', 'warn', 'fail')),
        note        text NOT NULL DEFAULT '',
        PRIMARY KEY (report_date, gate)
    );

    GRANT SELECT, INSERT, UPDATE, DELETE ON reconciliation, quality_gates TO clickwatch_batch;
    GRANT SELECT ON reconciliation, quality_gates TO clickwatch_reader;
    """)


def downgrade() -> None:
    """Go back to a reconciliation without reasons; it is empty."""
    op.execute("""
    DROP TABLE quality_gates, reconciliation;
    CREATE TABLE reconciliation (
        report_date date NOT NULL,
        metric      text NOT NULL,
        speed_value bigint NOT NULL,
        batch_value bigint NOT NULL,
        difference  bigint NOT NULL,
        PRIMARY KEY (report_date, metric),
        CHECK (difference = speed_value - batch_value)
    );
    GRANT SELECT, INSERT, UPDATE, DELETE ON reconciliation TO clickwatch_batch;
    GRANT SELECT ON reconciliation TO clickwatch_reader;
    """)

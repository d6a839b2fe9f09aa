"""What a published day lacks: its end, records that a table refused; and its revenue, each currency apart."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Give the summary its marks, and currencies a table."""
    op.execute("""
    ALTER TABLE daily_summary
        ADD COLUMN unfinished boolean NOT NULL DEFAULT false,
        ADD COLUMN refused_records bigint NOT NULL DEFAULT 0 CHECK (refused_records >= 0);
    COMMENT ON COLUMN daily_summary.unfinished IS
        'whether the day was not over, or not all of it there, when it was analysed; a later run completes it';
    COMMENT ON COLUMN daily_summary.refused_records IS
        'rows that a table of this day refused; they are in no table';

    CREATE TABLE revenue_by_currency (
        report_date   date NOT NULL,
        currency      text NOT NULL,
        revenue_minor bigint NOT NULL,
        PRIMARY KEY (report_date, currency)
    );
    COMMENT ON COLUMN revenue_by_currency.currency IS 'ISO 4217; empty for prices without one';
    COMMENT ON COLUMN revenue_by_currency.revenue_minor IS 'in the smallest unit of the currency';

    GRANT SELECT, INSERT, UPDATE, DELETE ON revenue_by_currency TO clickwatch_batch;
    GRANT SELECT ON revenue_by_currency TO clickwatch_reader;
    """)


def downgrade() -> None:
    """Drop the marks and the table."""
    op.execute("""
    DROP TABLE revenue_by_currency;
    ALTER TABLE daily_summary DROP COLUMN unfinished, DROP COLUMN refused_records;
    """)

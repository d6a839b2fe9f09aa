"""Which parts of the speed layer do not work, and why."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Give the status its troubles."""
    op.execute("""
    ALTER TABLE stream_status
        ADD COLUMN troubles jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(troubles) = 'object');
    COMMENT ON COLUMN stream_status.troubles IS
        'why, for each part of the service that stands still or waits for a server: {"lake": "waits for Kafka, ..."}';
    """)


def downgrade() -> None:
    """Drop the troubles."""
    op.execute("ALTER TABLE stream_status DROP COLUMN troubles;")

"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Apply ${message}."""
    op.execute("""
    """)


def downgrade() -> None:
    """Undo ${message}."""
    op.execute("""
    """)

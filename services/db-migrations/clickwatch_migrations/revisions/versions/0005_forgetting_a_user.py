"""The role that forgets a user on request, which no service needs for its daily work."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the role and let it touch the one table that names users."""
    op.execute("""
    DO $$
    BEGIN
        CREATE ROLE clickwatch_privacy LOGIN NOCREATEDB NOCREATEROLE;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        RAISE NOTICE 'role clickwatch_privacy exists already';
    END
    $$;
    GRANT USAGE ON SCHEMA public TO clickwatch_privacy;
    GRANT SELECT, UPDATE, DELETE ON user_segments TO clickwatch_privacy;
    """)


def downgrade() -> None:
    """Take the grants back, and drop the role unless another database of the cluster uses it."""
    op.execute("""
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM clickwatch_privacy;
    REVOKE ALL ON SCHEMA public FROM clickwatch_privacy;
    DO $$
    BEGIN
        DROP ROLE clickwatch_privacy;
    EXCEPTION
        WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'role clickwatch_privacy is kept: another database uses it';
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'role clickwatch_privacy is kept: it belongs to another owner';
    END
    $$;
    """)

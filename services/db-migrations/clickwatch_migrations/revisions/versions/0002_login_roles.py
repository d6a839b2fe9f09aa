"""Login roles of the services and of readers, each with the least it needs.

Roles belong to the whole database cluster, tables to one database: another database may already
use the roles when this revision arrives, and may still use them when it is undone. Passwords are
no revision's business (`clickwatch_migrations.roles`).
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the roles where they are absent and grant them their tables."""
    op.execute("""
    DO $$
    DECLARE
        role_name text;
    BEGIN
        FOREACH role_name IN ARRAY
            ARRAY['clickwatch_streaming', 'clickwatch_batch', 'clickwatch_reader']
        LOOP
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN NOCREATEDB NOCREATEROLE', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                RAISE NOTICE 'role % exists already', role_name;
            END;
        END LOOP;

        -- batch stages a day in temporary tables; nobody else needs any
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO clickwatch_batch', current_database());
    END
    $$;

    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO clickwatch_streaming, clickwatch_batch, clickwatch_reader;

    GRANT SELECT, INSERT, UPDATE ON flash_sale_alerts, stream_offsets TO clickwatch_streaming;

    GRANT SELECT, INSERT, UPDATE, DELETE
        ON daily_summary, user_segments, product_performance, category_conversion, reconciliation
        TO clickwatch_batch;

    GRANT SELECT
        ON daily_summary, user_segments, product_performance, category_conversion, reconciliation,
           flash_sale_alerts, stream_offsets
        TO clickwatch_reader;
    """)


def downgrade() -> None:
    """Take the grants back, and drop each role that no other database of the cluster uses.

    The schema stays closed to the public, which is PostgreSQL's own default since version 15.
    """
    op.execute("""
    REVOKE ALL ON ALL TABLES IN SCHEMA public
        FROM clickwatch_streaming, clickwatch_batch, clickwatch_reader;
    REVOKE ALL ON SCHEMA public FROM clickwatch_streaming, clickwatch_batch, clickwatch_reader;

    DO $$
    DECLARE
        role_name text;
    BEGIN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM clickwatch_batch', current_database());
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());

        FOREACH role_name IN ARRAY
            ARRAY['clickwatch_streaming', 'clickwatch_batch', 'clickwatch_reader']
        LOOP
            BEGIN
                EXECUTE format('DROP ROLE %I', role_name);
            EXCEPTION
                WHEN dependent_objects_still_exist THEN
                    RAISE NOTICE 'role % is kept: another database uses it', role_name;
                WHEN insufficient_privilege THEN
                    RAISE NOTICE 'role % is kept: it belongs to another owner', role_name;
            END;
        END LOOP;
    END
    $$;
    """)

"""The catalog of the lake's Iceberg tables, and the batches they hold."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create schema `lake` with the two tables that Iceberg's SQL catalogs know, and the batches.

    Names and columns of the two are Iceberg's (JdbcCatalog V1, pyiceberg's SqlCatalog): other engines read them.
    """
    op.execute("""
    CREATE SCHEMA lake;
    COMMENT ON SCHEMA lake IS 'catalog of the Iceberg tables; their files lie where LAKE_URL says';

    CREATE TABLE lake.iceberg_tables (
        catalog_name               varchar(255) NOT NULL,
        table_namespace            varchar(255) NOT NULL,
        table_name                 varchar(255) NOT NULL,
        metadata_location          varchar(1000),
        previous_metadata_location varchar(1000),
        iceberg_type               varchar(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name)
    );

    CREATE TABLE lake.iceberg_namespace_properties (
        catalog_name   varchar(255) NOT NULL,
        namespace      varchar(255) NOT NULL,
        property_key   varchar(255) NOT NULL,
        property_value varchar(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key)
    );

    -- written in one transaction with the snapshots it names: a batch is in all tables and here, or nowhere
    CREATE TABLE lake.batches (
        query_id     text NOT NULL,
        batch_id     bigint NOT NULL CHECK (batch_id >= 0),
        record       jsonb NOT NULL,
        snapshots    jsonb NOT NULL,
        committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (query_id, batch_id)
    );
    CREATE INDEX batches_by_time ON lake.batches (committed_at);
    COMMENT ON COLUMN lake.batches.record IS
        'what the query must know of the batch, to go on and to repeat what it sends';
    COMMENT ON COLUMN lake.batches.snapshots IS 'table name to the snapshot that the batch made';

    GRANT USAGE ON SCHEMA lake TO clickwatch_streaming, clickwatch_batch, clickwatch_reader, clickwatch_privacy;
    GRANT SELECT ON lake.iceberg_tables, lake.iceberg_namespace_properties
        TO clickwatch_streaming, clickwatch_batch, clickwatch_reader, clickwatch_privacy;
    GRANT SELECT ON lake.batches TO clickwatch_streaming, clickwatch_batch, clickwatch_reader;

    -- streaming makes the tables' files and commits to them, and never drops one
    GRANT INSERT ON lake.iceberg_tables, lake.iceberg_namespace_properties, lake.batches TO clickwatch_streaming;
    GRANT UPDATE (metadata_location, previous_metadata_location) ON lake.iceberg_tables
        TO clickwatch_streaming, clickwatch_privacy;
    """)


def downgrade() -> None:
    """Drop the catalog and the batches; the tables' files stay where they lie."""
    op.execute("""
    DROP TABLE lake.batches, lake.iceberg_namespace_properties, lake.iceberg_tables;
    DROP SCHEMA lake;
    """)

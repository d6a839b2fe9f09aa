"""Running the command line, and reading a database's catalogue, as the tests of this package do."""

import subprocess
import sys

import psycopg

COLUMNS = """
    SELECT table_name || '.' || column_name || ' ' || data_type
        || coalesce('(' || numeric_precision || ',' || numeric_scale || ')', '') || ' ' || is_nullable
    FROM information_schema.columns WHERE table_schema IN ('public', 'lake')
"""
CONSTRAINTS = """
    SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace::regnamespace::text IN ('public', 'lake')
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'lake')"
TRIGGERS = """
    SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid::regclass::text NOT LIKE 'pg_%'
"""
FUNCTIONS = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
GRANTS = """
    SELECT table_name || ' ' || grantee || ' ' || privilege_type
    FROM information_schema.table_privileges WHERE table_schema IN ('public', 'lake')
    UNION ALL
    SELECT 'on ' || column_name || ' of ' || table_name || ' ' || grantee || ' ' || privilege_type
    FROM information_schema.column_privileges WHERE table_schema = 'lake'
    UNION ALL
    SELECT 'on schema ' || nspname || ' ' || nspacl::text FROM pg_namespace WHERE nspname = 'lake'
"""


def migrate(database_url: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what `python -m clickwatch_migrations ARGUMENTS` did."""
    environment = {"DATABASE_URL": database_url, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin", **variables}
    return subprocess.run(
        [sys.executable, "-m", "clickwatch_migrations", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def upgrade(database_url: str, *arguments: str, **variables: str) -> None:
    """Bring a database up, and fail with the program's own words."""
    done = migrate(database_url, "upgrade", *arguments, **variables)
    assert done.returncode == 0, done.stderr


def downgrade(database_url: str, revision: str) -> None:
    """Bring a database down, and fail with the program's own words."""
    done = migrate(database_url, "downgrade", revision)
    assert done.returncode == 0, done.stderr


def catalogue(database_url: str) -> dict[str, list[str]]:
    """Return what a database holds but rows, as sorted text."""
    queries = {
        "columns": COLUMNS,
        "constraints": CONSTRAINTS,
        "indexes": INDEXES,
        "triggers": TRIGGERS,
        "functions": FUNCTIONS,
        "grants": GRANTS,
    }
    with psycopg.connect(database_url) as connection:
        return {
            what: sorted(str(row[0]) for row in connection.execute(query) if "alembic_version" not in str(row[0]))
            for what, query in queries.items()
        }


def roles(database_url: str) -> set[str]:
    """Return the service roles the cluster has."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'clickwatch\_%' AND rolname <> current_user"
        )
        return {str(row[0]) for row in found}

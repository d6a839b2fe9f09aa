# Sourced or run when PostgreSQL makes its first database: one for Airflow's metadata.
psql -v ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
  -v password="$(cat /run/clickwatch/passwords/airflow)" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'password';
CREATE DATABASE airflow OWNER airflow;
SQL

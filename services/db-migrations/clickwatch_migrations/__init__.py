"""All DDL of clickwatch: tables, indexes and roles, as numbered revisions in plain SQL."""

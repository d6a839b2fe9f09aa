"""Alembic's script location."""

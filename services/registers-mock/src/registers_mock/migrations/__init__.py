"""Alembic revisions of registers-mock's own database."""

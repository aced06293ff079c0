"""Alembic revisions of enis-mock's own database."""

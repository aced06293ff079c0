"""Alembic revisions of con-arm's own database."""

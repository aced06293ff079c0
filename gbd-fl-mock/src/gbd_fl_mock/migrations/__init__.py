"""Alembic revisions of gbd-fl-mock's own database."""

"""Alembic revisions of gateway-shep's own database."""

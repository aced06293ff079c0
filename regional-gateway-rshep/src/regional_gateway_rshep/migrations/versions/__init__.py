"""Alembic revisions of regional-gateway-rshep's own database."""

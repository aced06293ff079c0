"""Webhooks: whom to call, with what, and what came of it."""

from egovgateway.migrations import create_webhook_tables

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    create_webhook_tables()

"""Limits used beside each envelope, and the limit a case is under."""

from egovgateway.migrations import upgrade_gateway_tables

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    upgrade_gateway_tables(revision=2)

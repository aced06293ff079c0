"""Limits used beside each envelope, and the limit a case is under."""

from egovgateway.migrations import upgrade_gateway_tables

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    upgrade_gateway_tables(revision=2)

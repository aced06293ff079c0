"""Time stamps over the journal."""

from egovgateway.migrations import upgrade_gateway_tables

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    upgrade_gateway_tables(revision=3)

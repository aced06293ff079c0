"""Time stamps over the journal."""

from egovkit.db.migrations import create_kit_tables

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    create_kit_tables("journal_stamps", revision=4)

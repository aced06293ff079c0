"""The outbox remembers which messages can never be sent."""

from egovkit.db.migrations import upgrade_kit_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    upgrade_kit_tables("outbox", revision=2)

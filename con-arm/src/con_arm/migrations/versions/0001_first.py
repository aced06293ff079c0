"""The first shape of the database."""

from egovkit.db.migrations import ALL, create_kit_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=1)

"""The first shape of the database."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import BigId, UtcDateTime
from egovkit.db.migrations import ALL, create_kit_tables
from egovregister.migrations import create_register_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=2)
    create_register_tables(revision=1)
    op.create_table(
        "attorneys",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("registry_number", sa.String(60), nullable=False),
        sa.Column("date", sa.Date, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("deed", sa.JSON, nullable=False),
        sa.Column("revoked_on", sa.Date),
        sa.Column("revoke_reason", sa.Text),
        sa.UniqueConstraint("registry_number", "date", name="attorneys_deed"),
    )
    op.create_table(
        "parties",
        sa.Column("attorney_id", BigId, primary_key=True, autoincrement=False),
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("iin", sa.String(12), primary_key=True),
    )
    op.create_index("ix_parties_iin", "parties", ["iin"])

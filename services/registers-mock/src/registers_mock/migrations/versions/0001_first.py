"""The first shape of the database."""

import sqlalchemy as sa
from alembic import op

from egovkit.db.migrations import ALL, create_kit_tables
from egovregister.migrations import create_register_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=2)
    create_register_tables(revision=1)
    op.create_table(
        "numbers",
        sa.Column("register", sa.String(40), primary_key=True),
        sa.Column("region", sa.String(64), primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("register", sa.String(40), primary_key=True),
        sa.Column("region", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person_iin", sa.String(12), nullable=False),
        sa.Column("related_iin", sa.String(12)),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("leaving", sa.String(16)),
        sa.Column("category", sa.String(20)),
        sa.Column("family_size", sa.Integer),
        sa.Column("first_position", sa.Integer),
        sa.Column("case_id", sa.String(36)),
        sa.Column("details", sa.JSON, nullable=False),
        sa.UniqueConstraint("register", "case_id", name="entries_case"),
    )
    op.create_index("ix_entries_person_iin", "entries", ["person_iin"])
    op.create_index("ix_entries_related_iin", "entries", ["related_iin"])
    op.create_index("entries_list", "entries", ["register", "region", "category", "number"])
    op.create_table(
        "places",
        sa.Column("register", sa.String(40), primary_key=True),
        sa.Column("region", sa.String(64), primary_key=True),
        sa.Column("category", sa.String(20), primary_key=True),
        sa.Column("free", sa.Integer, nullable=False),
    )

"""The first shape of the database."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime
from egovkit.db.migrations import ALL, create_kit_tables
from egovregister.migrations import create_register_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=2)
    create_register_tables(revision=1)
    op.create_table(
        "versions",
        sa.Column("iin", sa.String(12), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("surname", sa.String(120)),
        sa.Column("name", sa.String(120)),
        sa.Column("patronymic", sa.String(120)),
        sa.Column("birth_date", sa.Date, nullable=False),
        sa.Column("person", sa.JSON, nullable=False),
    )
    op.create_index("versions_names", "versions", ["birth_date", "surname", "name"])
    op.create_table(
        "document_numbers",
        sa.Column("number", sa.String(40), primary_key=True),
        sa.Column("iin", sa.String(12), primary_key=True),
    )

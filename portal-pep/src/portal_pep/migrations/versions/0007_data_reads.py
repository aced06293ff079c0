"""Who read the data of a person: what the registers told, and what became of the last question to each."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    op.create_table(
        "data_read_questions",
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("register", sa.String(64), nullable=False),
        sa.Column("question", sa.String(36), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("problem", sa.JSON),
        sa.Column("told_at", UtcDateTime),
        sa.PrimaryKeyConstraint("account_id", "register", name="data_read_questions_pk"),
    )
    op.create_index("ix_data_read_questions_question", "data_read_questions", ["question"])
    op.create_table(
        "data_reads",
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("register", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("told", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "register", "id", name="data_reads_pk"),
    )
    op.create_index("data_reads_account", "data_reads", ["account_id", "id"])

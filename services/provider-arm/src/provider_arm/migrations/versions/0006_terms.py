"""The term of a case, and what passed its end."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    op.create_table(
        "terms",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("parts", sa.JSON, nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("clause", sa.String(400), nullable=False),
        sa.Column("extensions", sa.JSON, nullable=False),
        sa.Column("pauses", sa.JSON, nullable=False),
        sa.Column("ended_at", UtcDateTime),
    )
    op.create_table(
        "escalations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("task_id", sa.String(36)),
        sa.Column("clause", sa.String(400), nullable=False),
        sa.Column("term", sa.String(80), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_escalations_at", "escalations", ["at", "id"])
    op.create_index("ix_escalations_case_id", "escalations", ["case_id"])

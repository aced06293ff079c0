"""Where the applicant stands in the queue, as the register told it last, and what became of his last question."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    op.create_table(
        "queue_positions",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("question", sa.String(36), nullable=False),
        sa.Column("asked", sa.String(64), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("problem", sa.JSON),
        sa.Column("entry", sa.JSON),
        sa.Column("told_at", UtcDateTime),
    )

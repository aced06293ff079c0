"""Questions of registered cases to the akimat's register."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    op.create_table(
        "register_queries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("asked", sa.String(80), nullable=False),
        sa.Column("register", sa.String(40), nullable=False),
        sa.Column("operation", sa.String(20), nullable=False),
        sa.Column("person_iin", sa.String(12), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("asked_by", sa.String(36)),
        sa.Column("clause", sa.String(200), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("limit_s", sa.Integer),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("entries", sa.JSON(none_as_null=True)),
        sa.Column("problem", sa.JSON(none_as_null=True)),
    )
    op.create_index("ix_register_queries_case", "register_queries", ["case_id", "asked_at", "id"])

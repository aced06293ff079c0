"""What was decided before the result, and a commission's opinion."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.add_column("cases", sa.Column("decision", sa.JSON(none_as_null=True)))
    op.create_table(
        "opinions",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("positive", sa.Boolean, nullable=False),
        sa.Column("text_ru", sa.Text, nullable=False),
        sa.Column("text_kk", sa.Text, nullable=False),
        sa.Column("given_by", sa.String(36), nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
    )

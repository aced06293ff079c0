"""Several people sign one application."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0011", "0010"


def upgrade() -> None:
    op.create_table(
        "co_signatures",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("role", sa.String(20), primary_key=True),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("judged", sa.JSON),
        sa.Column("reasons", sa.JSON, nullable=False),
    )

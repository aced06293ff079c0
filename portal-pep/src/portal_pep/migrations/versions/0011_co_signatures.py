"""Several people sign one application."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0011", "0010"


def upgrade() -> None:
    op.create_table(
        "co_signatures",
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("asked_at", UtcDateTime),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("judged", sa.JSON),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("case_id", "role", name="co_signatures_pk"),
    )
    op.create_index("co_signatures_iin", "co_signatures", ["iin", "case_id"])

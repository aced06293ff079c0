"""The page of a result, which the official signed too."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    op.add_column("results", sa.Column("page_sha256", sa.String(64)))
    op.add_column("results", sa.Column("page_size", sa.Integer))
    op.create_table(
        "result_pages",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )

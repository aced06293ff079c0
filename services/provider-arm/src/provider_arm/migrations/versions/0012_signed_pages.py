"""The page of a result, which the official signs too."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    op.create_table(
        "page_drafts",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
        sa.Column("hole_start", sa.Integer, nullable=False),
        sa.Column("hole_end", sa.Integer, nullable=False),
        sa.Column("page_signature", sa.LargeBinary),
        sa.Column("sealed", sa.LargeBinary),
    )
    op.create_table(
        "result_pages",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
    )

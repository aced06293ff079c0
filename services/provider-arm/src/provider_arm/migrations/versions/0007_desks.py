"""Receipts of the desk, and results given out there."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("number", sa.String(11), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(120), nullable=False),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("case_id", sa.String(36)),
        sa.Column("applicant_iin", sa.String(12), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("times", sa.JSON, nullable=False),
        sa.Column("issued_by", sa.String(36), nullable=False),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("provider", "kind", "number", name="uq_receipts_number"),
    )
    op.create_index("ix_receipts_region_issued", "receipts", ["region", "issued_at", "id"])
    op.create_table(
        "give_outs",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("way", sa.String(20), nullable=False),
        sa.Column("to", sa.String(320), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("given_by", sa.String(36), nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
    )

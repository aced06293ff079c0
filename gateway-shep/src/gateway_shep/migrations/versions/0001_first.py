"""The first shape of ШЭП's database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from egovgateway.migrations import create_gateway_tables
from egovkit.db import UtcDateTime
from egovkit.db.migrations import create_kit_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables("idempotency", revision=1)
    create_gateway_tables(revision=1)
    op.create_table(
        "participants",
        sa.Column("code", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name_ru", sa.String(300), nullable=False),
        sa.Column("name_kk", sa.String(300), nullable=False),
        sa.Column("bin", sa.String(12), nullable=False),
        sa.Column("kato", sa.String(9), nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("services", sa.JSON, nullable=False),
        sa.Column("delivery", sa.String(8), nullable=False),
        sa.Column("broker_user", sa.String(64)),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "participant_certificates",
        sa.Column("thumbprint", sa.String(64), primary_key=True),
        sa.Column("code", sa.String(64), nullable=False, index=True),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("not_before", UtcDateTime, nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.Column("added_at", UtcDateTime, nullable=False),
        sa.Column("withdrawn_at", UtcDateTime),
    )
    op.create_table(
        "member_lists",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("signed", sa.Text, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "attachments",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("stored_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime),
    )
    op.create_index("attachments_sha256", "attachments", ["sha256"])
    op.create_index("attachments_expires", "attachments", ["expires_at"])

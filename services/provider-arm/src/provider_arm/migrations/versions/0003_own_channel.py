"""The provider's own channel, and results handed over at a centre."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    _own_cases()
    _queries_and_scans()
    op.create_table(
        "hand_overs",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("handed_over_at", UtcDateTime, nullable=False),
        sa.Column("capacity", sa.String(20), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("status_version", sa.Integer, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
    )


def _own_cases() -> None:
    op.create_table(
        "own_cases",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("regulation_version", sa.Integer, nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(120), nullable=False),
        sa.Column("owner", sa.String(36), nullable=False),
        sa.Column("iin", sa.String(12)),
        sa.Column("form", sa.JSON, nullable=False),
        sa.Column("papers", sa.JSON, nullable=False),
        sa.Column("trail", sa.JSON, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", sa.LargeBinary),
        sa.Column("certificate", sa.String(64)),
        sa.Column("prepared_at", UtcDateTime),
        sa.Column("number", sa.String(11)),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_own_cases_region_opened", "own_cases", ["region", "opened_at", "id"])


def _queries_and_scans() -> None:
    op.create_table(
        "own_queries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("register", sa.String(80), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("asked_by", sa.String(36), nullable=False),
        sa.Column("clause", sa.String(200), nullable=False),
        sa.Column("limit_s", sa.Integer),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("person", sa.JSON(none_as_null=True)),
        sa.Column("problem", sa.JSON(none_as_null=True)),
    )
    op.create_index("ix_own_queries_case", "own_queries", ["case_id", "asked_at", "id"])
    op.create_table(
        "own_scans",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )

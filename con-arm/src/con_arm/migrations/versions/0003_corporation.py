"""Centres with regions and branches, what a result is, why a term changed, intake without a flow, couriers."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.add_column("operators", sa.Column("region", sa.String(40)))
    op.add_column("operators", sa.Column("branch", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("cases", sa.Column("term_change", sa.JSON))
    op.add_column("cases", sa.Column("outcome", sa.String(12)))
    op.add_column("results", sa.Column("outcome", sa.String(12)))
    op.add_column("results", sa.Column("variant", sa.String(40)))
    op.add_column("results", sa.Column("valid_until", sa.Date))
    # Until now every result was the service itself, and no refusal was handed over.
    op.execute("UPDATE cases SET outcome = 'positive' WHERE state IN ('completed', 'handed_over')")
    op.execute("UPDATE results SET outcome = 'positive' WHERE kind = 'result'")
    _intakes()
    _couriers()


def _intakes() -> None:
    op.create_table(
        "intakes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("number", sa.String(40), nullable=False, unique=True),
        sa.Column("centre", sa.String(64), nullable=False),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("regulation_version", sa.Integer, nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(24), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("papers", sa.JSON, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    op.create_index("intakes_centre", "intakes", ["centre", "id"])


def _couriers() -> None:
    op.create_table(
        "couriers",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("clause", sa.String(80), nullable=False),
        sa.Column("dispatched_at", UtcDateTime, nullable=False),
        sa.Column("dispatched_by", sa.String(36), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("arrived_at", UtcDateTime),
        sa.Column("arrived_by", sa.String(36)),
    )

"""The store of dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("queue", sa.String(128)),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("deliveries", sa.Integer),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("envelope_id", sa.String(36)),
        sa.Column("type", sa.String(128)),
        sa.Column("source", sa.String(64)),
        sa.Column("case_id", sa.String(36)),
        sa.Column("regulation", sa.String(64)),
        sa.Column("first_id", sa.String(36)),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("decided_at", UtcDateTime),
        sa.Column("decided_by", sa.String(80)),
        sa.Column("note", sa.String(500)),
        sa.Column("due_at", UtcDateTime),
        sa.Column("last_error", sa.String(200)),
        sa.Column("put_back_at", UtcDateTime),
    )
    op.create_index("dead_letters_state", "dead_letters", ["state", "queue"])
    op.create_index("dead_letters_case", "dead_letters", ["case_id"])
    op.create_index("dead_letters_due", "dead_letters", ["due_at"])

"""The workstation's first tables."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import BigId, UtcDateTime
from egovkit.db.migrations import ALL, create_kit_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=2)
    _people()
    _counter()
    _cases()
    _course()
    _papers()


def _people() -> None:
    op.create_table(
        "operators",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("login", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("centre", sa.String(64), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("login", sa.JSON, nullable=False),
    )
    op.create_index("ix_sessions_operator_id", "sessions", ["operator_id"])
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
    )


def _counter() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(160), primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("centre", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("regulation", sa.String(80)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("taken_at", UtcDateTime, nullable=False),
        sa.Column("called_at", UtcDateTime),
        sa.Column("started_at", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("operator_id", sa.String(36)),
    )
    op.create_index("tickets_centre", "tickets", ["centre", "id"])
    op.create_table(
        "receipts",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("number", sa.String(40), nullable=False, unique=True),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("missing", sa.JSON, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "surveys",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("centre", sa.String(64), nullable=False),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("answers", sa.JSON, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    op.create_index("surveys_centre", "surveys", ["centre", "regulation"])
    op.create_table(
        "reads",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("centre", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
    )
    op.create_index("reads_centre", "reads", ["centre", "id"])


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("centre", sa.String(64), nullable=False),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("ticket_id", sa.String(36), unique=True),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("regulation_version", sa.Integer, nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("iin", sa.String(12)),
        sa.Column("representative", sa.JSON),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("form", sa.JSON, nullable=False),
        sa.Column("papers", sa.JSON, nullable=False),
        sa.Column("form_version", sa.Integer, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("certificate", sa.String(64)),
        sa.Column("signed_by", sa.String(36)),
        sa.Column("document", sa.LargeBinary),
        sa.Column("prepared_at", UtcDateTime),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("submitted_at", UtcDateTime),
        sa.Column("recipient", sa.String(64)),
        sa.Column("envelope_id", sa.String(36)),
        sa.Column("receipt", sa.Text),
        sa.Column("accepted_at", UtcDateTime),
        sa.Column("number", sa.String(11)),
        sa.Column("registered_at", UtcDateTime),
        sa.Column("owner_version", sa.Integer, nullable=False),
        sa.Column("step", sa.String(16)),
        sa.Column("status", sa.JSON),
        sa.Column("term_until", UtcDateTime),
        sa.Column("problem", sa.JSON),
    )
    op.create_index("cases_centre", "cases", ["centre", "id"])
    op.create_index("cases_iin", "cases", ["iin"])
    op.create_index("cases_number", "cases", ["number"])


def _course() -> None:
    op.create_table(
        "case_steps",
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("writer", sa.String(160), nullable=False),
        sa.Column("position", BigId, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "step", name="case_steps_pk"),
    )
    op.create_table(
        "queries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("register", sa.String(20), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("clause", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("limit_s", sa.Float),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("used_s", sa.Float),
        sa.Column("answer", sa.JSON),
        sa.Column("reason", sa.String(80)),
        sa.Column("problem", sa.JSON),
    )
    op.create_index("queries_case", "queries", ["case_id", "id"])
    op.create_table(
        "history",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("step", sa.String(16)),
        sa.Column("clause", sa.String(80)),
        sa.Column("state_before", sa.String(24), nullable=False),
        sa.Column("state_after", sa.String(24), nullable=False),
        sa.Column("applied", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("envelope_id", sa.String(36)),
        sa.Column("limit_s", sa.Float),
        sa.Column("used_s", sa.Float),
        sa.Column("detail", sa.JSON),
    )
    op.create_index("history_case", "history", ["case_id", "id"])


def _papers() -> None:
    op.create_table(
        "attachments",
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("added_at", UtcDateTime, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.PrimaryKeyConstraint("case_id", "name", name="attachments_pk"),
    )
    op.create_table(
        "results",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("reasons", sa.JSON),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("check", sa.JSON),
    )
    op.create_table(
        "hand_overs",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("operator_id", sa.String(36), nullable=False),
        sa.Column("capacity", sa.String(16), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("prepared_at", UtcDateTime, nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("handed_over_at", UtcDateTime),
    )

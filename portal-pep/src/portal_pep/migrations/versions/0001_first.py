"""The portal's first tables."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import BigId, UtcDateTime
from egovkit.db.migrations import ALL, create_kit_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=1)
    _accounts()
    _sessions()
    _attempts()
    _cases()
    _case_steps()
    _attachments()
    _results()
    _history()
    _notifications()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("iin", sa.String(12), nullable=False, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("confirmed_at", UtcDateTime),
        sa.Column("confirmed_with", sa.String(64)),
        sa.Column("confirmation", sa.LargeBinary),
        sa.Column("confirmation_until", UtcDateTime),
        sa.Column("confirmation_signature", sa.LargeBinary),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("login", sa.JSON, nullable=False),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("iin", sa.String(12), nullable=False),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("regulation_version", sa.Integer, nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("form", sa.JSON, nullable=False),
        sa.Column("form_version", sa.Integer, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("certificate", sa.String(64)),
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
    op.create_index("cases_account", "cases", ["account_id", "id"])


def _case_steps() -> None:
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


def _attachments() -> None:
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


def _results() -> None:
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


def _history() -> None:
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


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("text_kk", sa.Text, nullable=False),
        sa.Column("text_ru", sa.Text, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("read_at", UtcDateTime),
    )
    op.create_index("notifications_account", "notifications", ["account_id", "id"])

"""The workstation's first tables."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime
from egovkit.db.migrations import ALL, create_kit_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=1)
    _people()
    _cases()
    _tasks()
    _documents()
    _oversight()


def _people() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("iin", sa.String(12), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(120)),
        sa.Column("office", sa.String(200), nullable=False),
        sa.Column("office_kind", sa.String(40), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("staff_id", sa.String(36), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
    )
    op.create_index("ix_staff_sessions_staff_id", "staff_sessions", ["staff_id"])
    op.create_table(
        "login_failures",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
    )


def _cases() -> None:
    op.create_table(
        "provider_numbers",
        sa.Column("provider", sa.String(120), primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("provider", sa.String(120), nullable=False),
        sa.Column("number", sa.String(11), nullable=False),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("regulation_version", sa.Integer, nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("envelope_id", sa.String(36), nullable=False),
        sa.Column("applicant_iin", sa.String(12), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("attachments", sa.JSON, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("trail", sa.JSON, nullable=False),
        sa.Column("submitted_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("registered_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("changed_by", sa.String(36)),
        sa.UniqueConstraint("provider", "number", name="uq_cases_provider_number"),
    )
    op.create_index("ix_cases_region_registered", "cases", ["region", "registered_at", "id"])


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("assignee", sa.String(36)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("taken_at", UtcDateTime),
        sa.Column("done_at", UtcDateTime),
        sa.Column("done_by", sa.String(36)),
        sa.Column("due_at", UtcDateTime),
        sa.Column("limit_s", sa.Integer),
        sa.Column("limit_clause", sa.String(200)),
        sa.UniqueConstraint("case_id", "kind", name="uq_tasks_case_kind"),
    )
    op.create_index("ix_tasks_state_created", "tasks", ["state", "created_at", "id"])


def _documents() -> None:
    op.create_table(
        "result_drafts",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("staff_id", sa.String(36), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.Column("case_version", sa.Integer, nullable=False),
        sa.Column("prepared_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("made_by", sa.String(36), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
    )


def _oversight() -> None:
    op.create_table(
        "reads",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("staff_id", sa.String(36), nullable=False),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(120), nullable=False),
        sa.Column("what", sa.String(80), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
    )
    op.create_index("ix_reads_at", "reads", ["at", "id"])
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(120)),
        sa.Column("envelope_id", sa.String(36), nullable=False, unique=True),
        sa.Column("envelope_type", sa.String(80), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("problem", sa.JSON, nullable=False),
    )
    op.create_index("ix_incidents_at", "incidents", ["at", "id"])

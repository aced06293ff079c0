"""The authority, its certificates, the audit."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import BigId, UtcDateTime
from egovkit.db.migrations import create_kit_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_kit_tables("journal", "idempotency", revision=1)
    op.create_table(
        "authorities",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("thumbprint", sa.String(43), nullable=False),
        sa.Column("crl_number", sa.BigInteger, nullable=False),
        sa.Column("crl", sa.LargeBinary),
        sa.Column("crl_sha256", sa.String(64)),
        sa.Column("this_update", UtcDateTime),
        sa.Column("next_update", UtcDateTime),
    )
    op.create_table(
        "certificates",
        sa.Column("position", BigId, primary_key=True, autoincrement=True),
        sa.Column("serial", sa.String(40), nullable=False, unique=True),
        sa.Column("thumbprint", sa.String(43), nullable=False, unique=True),
        sa.Column("profile", sa.String(32), nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("common_name", sa.String(64), nullable=False),
        sa.Column("iin", sa.String(12), index=True),
        sa.Column("bin", sa.String(12), index=True),
        sa.Column("oddities", sa.Text, nullable=False),
        sa.Column("not_before", UtcDateTime, nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("listed_at", UtcDateTime),
        sa.Column("reason", sa.String(32)),
    )
    _forbid_changes_of_the_audit()


def _forbid_changes_of_the_audit() -> None:
    """Append-only is a promise of the database, not of our good intentions."""
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER journal_no_{act.lower()} BEFORE {act} ON journal "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only()"
    )

"""For a gateway's migration files: the shared tables in the shape they had at a named revision."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, text

from egovgateway.tables import REVISION, due, gateway_tables, measured, webhook_tables
from egovkit.db.migrations import create_kit_tables


def create_gateway_tables(*, revision: int) -> None:
    """Creates the gateway tables, journal included, as of `revision`, in the running migration."""
    from alembic import op

    _known(revision, 1)
    metadata = MetaData()
    gateway_tables(metadata, revision)
    metadata.create_all(op.get_bind(), checkfirst=False)


def upgrade_gateway_tables(*, revision: int) -> None:
    """From the revision before to `revision`. 2: limits used beside the envelope, and the limit a case is under. 3:
    time stamps over the journal."""
    from alembic import op

    _known(revision, 2)
    if revision == 3:
        create_kit_tables("journal_stamps", revision=4)
        return
    for name, added in (("envelopes", measured()), ("cases", due())):
        for part in added:
            if isinstance(part, Column):
                op.add_column(name, part)
    only = text("limit_s IS NOT NULL")
    op.create_index("envelopes_measured", "envelopes", ["received_at"], sqlite_where=only, postgresql_where=only)
    op.create_index("cases_due", "cases", ["due_at"])


def create_webhook_tables() -> None:
    """Creates the tables of webhooks in the running migration."""
    from alembic import op

    metadata = MetaData()
    webhook_tables(metadata)
    metadata.create_all(op.get_bind(), checkfirst=False)


def _known(revision: int, first: int) -> None:
    if not first <= revision <= REVISION:
        raise ValueError(f"the gateways' tables are at revision {REVISION}; {revision} is not known")

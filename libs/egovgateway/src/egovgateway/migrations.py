"""For a gateway's migration files: the shared tables in the shape they had at a named revision."""

from __future__ import annotations

from sqlalchemy import MetaData

from egovgateway.tables import gateway_tables

REVISION = 1


def create_gateway_tables(*, revision: int) -> None:
    """Creates the gateway tables, journal included, as of `revision`, in the running migration."""
    from alembic import op

    if revision != REVISION:
        raise ValueError(f"the gateways' tables are at revision {REVISION}; {revision} is not known")
    metadata = MetaData()
    gateway_tables(metadata)
    metadata.create_all(op.get_bind(), checkfirst=False)

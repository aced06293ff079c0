"""For a register's migration files: the shared tables in the shape they had at a named revision."""

from __future__ import annotations

from sqlalchemy import MetaData

from egovregister.tables import register_tables

REVISION = 1


def create_register_tables(*, revision: int) -> None:
    """Creates the register tables, as of `revision`, in the running migration."""
    from alembic import op

    if revision != REVISION:
        raise ValueError(f"the registers' tables are at revision {REVISION}; {revision} is not known")
    metadata = MetaData()
    register_tables(metadata)
    metadata.create_all(op.get_bind(), checkfirst=False)

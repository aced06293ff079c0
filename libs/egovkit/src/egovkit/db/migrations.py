"""For a service's migration files: the kit's tables in the shape they had at a named revision.

    # versions/0001_first.py
    from alembic import op
    from egovkit.db.migrations import create_kit_tables

    revision, down_revision = "0001", None

    def upgrade() -> None:
        create_kit_tables("outbox", "sequences", "inbox", "journal", "idempotency", revision=1)
        op.create_table("cases", ...)

    # versions/0002_kit.py, in the services that have an outbox
    def upgrade() -> None:
        upgrade_kit_tables("outbox", revision=2)

    # versions/0003_deadlines.py, in the services that keep deadlines
    def upgrade() -> None:
        create_kit_tables("deadlines", revision=3)

    # versions/0004_stamps.py, in the services whose journal is stamped
    def upgrade() -> None:
        create_kit_tables("journal_stamps", revision=4)

The revision is written down because a migration says what was true when it was made. When the shape of a kit
table changes, the kit adds a revision and a function that goes from the old one to the new one; the drift test
(`assert_migrations_match`) then fails in every service that has not called it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import MetaData

from egovkit.db import tables
from egovkit.db.tables import KIT_REVISION

FACTORIES: Mapping[str, Callable[[MetaData, int], object]] = {
    "outbox": tables.outbox_table,
    "sequences": lambda metadata, _: tables.sequences_table(metadata),
    "inbox": lambda metadata, _: tables.inbox_table(metadata),
    "journal": lambda metadata, _: tables.journal_tables(metadata),
    "idempotency": lambda metadata, _: tables.idempotency_table(metadata),
}
ALL = tuple(FACTORIES)  # what `kit_tables` declares
EXTRA: Mapping[str, tuple[int, Callable[[MetaData], object]]] = {  # since which revision; each where it is used
    "deadlines": (3, tables.deadlines_table),
    "journal_stamps": (4, tables.stamps_table),
}


def create_kit_tables(*names: str, revision: int) -> None:
    """Creates the named kit tables (`*ALL` for all), as of `revision`, in the running migration."""
    from alembic import op

    _known(revision, 1)
    metadata = MetaData()
    for name in names:
        if name in EXTRA:
            since, extra = EXTRA[name]
            _known(revision, since)
            extra(metadata)
        else:
            FACTORIES[name](metadata, revision)
    metadata.create_all(op.get_bind(), checkfirst=False)


def upgrade_kit_tables(*names: str, revision: int) -> None:
    """Brings the named kit tables from the revision before to `revision`, in the running migration."""
    _known(revision, 2)
    for name in names:
        UPGRADES[name, revision]()


def _dead_messages() -> None:
    from alembic import op

    op.add_column("outbox", tables.dead_column())


UPGRADES: Mapping[tuple[str, int], Callable[[], None]] = {("outbox", 2): _dead_messages}


def _known(revision: int, first: int) -> None:
    if not first <= revision <= KIT_REVISION:
        raise ValueError(f"the kit's tables are at revision {KIT_REVISION}; {revision} is not known")

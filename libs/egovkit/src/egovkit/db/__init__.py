"""A service's own database: engine, column types, the kit's tables, migrations."""

from egovkit.db.engine import Database, after_commit, before_commit, insert_ignore, upsert
from egovkit.db.migrate import migrate, upgrade
from egovkit.db.tables import (
    JournalTables,
    KitTables,
    OutboxTables,
    deadlines_table,
    idempotency_table,
    inbox_table,
    journal_tables,
    kit_tables,
    outbox_table,
    sequences_table,
    stamped_journal_tables,
)
from egovkit.db.types import BigId, UtcDateTime

__all__ = [
    "BigId",
    "Database",
    "JournalTables",
    "KitTables",
    "OutboxTables",
    "UtcDateTime",
    "after_commit",
    "before_commit",
    "deadlines_table",
    "idempotency_table",
    "inbox_table",
    "insert_ignore",
    "journal_tables",
    "kit_tables",
    "migrate",
    "outbox_table",
    "sequences_table",
    "stamped_journal_tables",
    "upgrade",
    "upsert",
]

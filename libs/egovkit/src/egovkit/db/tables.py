"""The kit's tables, made inside each service's own MetaData: every service owns its database alone.

A service's tables.py says `metadata = MetaData(); kit = kit_tables(metadata)`, or takes single factories.
A change of shape here needs a new revision in `egovkit.db.migrations` and a migration in every service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from egovkit.db.types import BigId, UtcDateTime

KIT_REVISION = 4  # of the shapes below; `egovkit.db.migrations` knows the way from each to the next

ID = String(36)  # UUIDv7, canonical text
CODE = String(64)  # a participant's code
TYPE = String(128)
SHA256 = String(64)  # lower-case hex


@dataclass(frozen=True, slots=True)
class JournalTables:
    """`stamps` is None where nobody stamps: at НУЦ's twin, whose own stamp would prove nothing."""

    rows: Table
    heads: Table
    stamps: Table | None = None


@dataclass(frozen=True, slots=True)
class OutboxTables:
    outbox: Table
    sequences: Table


@dataclass(frozen=True, slots=True)
class KitTables:
    """Everything a service that sends, receives and journals needs."""

    outbox: OutboxTables
    inbox: Table
    journal: JournalTables
    idempotency: Table


def kit_tables(metadata: MetaData) -> KitTables:
    return KitTables(
        outbox=OutboxTables(outbox_table(metadata), sequences_table(metadata)),
        inbox=inbox_table(metadata),
        journal=stamped_journal_tables(metadata),
        idempotency=idempotency_table(metadata),
    )


def outbox_table(metadata: MetaData, revision: int = KIT_REVISION) -> Table:
    """Messages that must leave. `position` is the order of sending; within one case it follows the case's own
    sequence, since whoever inserts holds the case's sequence row. `dead_at` came with revision 2."""
    table = Table(
        "outbox",
        metadata,
        Column("position", BigId, primary_key=True, autoincrement=True),
        Column("id", ID, nullable=False),
        Column("case_id", ID),
        Column("type", TYPE, nullable=False),
        Column("recipient", CODE, nullable=False),
        Column("queue", String(128), nullable=False),
        Column("headers", Text, nullable=False),  # JSON object of strings
        Column("body", LargeBinary, nullable=False),  # the exact signed bytes
        Column("created", UtcDateTime, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_at", UtcDateTime, nullable=False),
        Column("sent_at", UtcDateTime),  # NULL = still to be sent
        Column("last_error", Text),
        *([dead_column()] if revision >= 2 else []),
        UniqueConstraint("id", "queue", name="outbox_id_queue"),
    )
    unsent = table.c.sent_at.is_(None)
    Index("outbox_unsent", table.c.position, sqlite_where=unsent, postgresql_where=unsent)
    Index("outbox_unsent_case", table.c.case_id, table.c.position, sqlite_where=unsent, postgresql_where=unsent)
    return table


def dead_column() -> Column[datetime]:
    """When the relay gave a message up that no broker can ever take; `last_error` says why."""
    return Column("dead_at", UtcDateTime)


def sequences_table(metadata: MetaData) -> Table:
    """The last `caseseq` this service gave for a case."""
    return Table(
        "sequences",
        metadata,
        Column("case_id", ID, primary_key=True),
        Column("last", Integer, nullable=False),
    )


def inbox_table(metadata: MetaData) -> Table:
    """Envelopes that took effect. `receipts` are kept as text: the gateways' signed chain heads are witnesses
    against a gateway whose journal was cut later."""
    return Table(
        "inbox",
        metadata,
        Column("source", CODE, nullable=False),
        Column("id", ID, nullable=False),
        Column("sha256", SHA256, nullable=False),
        Column("type", TYPE, nullable=False),
        Column("case_id", ID, nullable=False, index=True),
        Column("received", UtcDateTime, nullable=False),
        Column("signature", Text, nullable=False),
        Column("receipts", Text, nullable=False),  # JSON array of compact JWS
        PrimaryKeyConstraint("source", "id", name="inbox_pk"),
    )


def journal_tables(metadata: MetaData) -> JournalTables:
    """Append-only rows chained by hash per writer, and each writer's head."""
    rows = Table(
        "journal",
        metadata,
        Column("writer", String(160), nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("prev", SHA256, nullable=False),
        Column("hash", SHA256, nullable=False),
        Column("body_sha256", SHA256, nullable=False),
        Column("body", Text),  # sealed: `egovkit.journal_bodies`; NULL = purged, and the chain still verifies
        Column("kind", String(16), nullable=False),
        Column("time", UtcDateTime, nullable=False),
        Column("case_id", ID, index=True),
        Column("signature", Text),
        PrimaryKeyConstraint("writer", "position", name="journal_pk"),
    )
    heads = Table(
        "journal_heads",
        metadata,
        Column("writer", String(160), primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("head", SHA256, nullable=False),
    )
    return JournalTables(rows, heads)


def stamped_journal_tables(metadata: MetaData) -> JournalTables:
    """`journal_tables` with the stamps over them, which came with revision 4."""
    found = journal_tables(metadata)
    return JournalTables(found.rows, found.heads, stamps_table(metadata))


def stamps_table(metadata: MetaData) -> Table:
    """Time stamps (RFC 3161) over the Merkle root of a writer's rows `first` to `last`, both included. Each row says
    all that is needed to check it; the batches of a writer follow one another without a gap."""
    return Table(
        "journal_stamps",
        metadata,
        Column("writer", String(160), nullable=False),
        Column("first", BigInteger, nullable=False),
        Column("last", BigInteger, nullable=False),
        Column("root", SHA256, nullable=False),
        Column("token", LargeBinary, nullable=False),  # DER of a CMS ContentInfo
        Column("moment", UtcDateTime, nullable=False),  # the token's genTime
        PrimaryKeyConstraint("writer", "first", name="journal_stamps_pk"),
    )


def idempotency_table(metadata: MetaData) -> Table:
    """Answers already given to unsafe calls. `status` NULL = the call is still running."""
    return Table(
        "idempotency",
        metadata,
        Column("scope", String(200), nullable=False),
        Column("key", String(255), nullable=False),
        Column("fingerprint", SHA256, nullable=False),
        Column("attempt", ID, nullable=False),  # which run holds the key
        Column("started", UtcDateTime, nullable=False),
        Column("status", SmallInteger),
        Column("headers", Text),
        Column("body", LargeBinary),
        PrimaryKeyConstraint("scope", "key", name="idempotency_pk"),
    )


def deadlines_table(metadata: MetaData) -> Table:
    """Moments at which something has to happen (`egovkit.deadlines`); a row goes in the transaction that did it.

    Not one of `kit_tables`: only services that keep deadlines have it. It came with revision 3. `next_at` is
    `due_at` until an attempt failed; `facts` is a JSON object.
    """
    return Table(
        "deadlines",
        metadata,
        Column("key", String(200), primary_key=True),
        Column("kind", CODE, nullable=False),
        Column("subject", String(128), nullable=False),
        Column("due_at", UtcDateTime, nullable=False),
        Column("next_at", UtcDateTime, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("last_error", Text),
        Column("facts", Text, nullable=False),
        Index("deadlines_due", "due_at"),
        Index("deadlines_next", "next_at"),
        Index("deadlines_subject", "subject"),
    )

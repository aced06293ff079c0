"""ШЭП's tables: the gateway's own, the register of participants, attachments, dead letters. Seen by the store alone."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

from egovgateway.tables import gateway_tables, webhook_tables
from egovkit.db import UtcDateTime, deadlines_table, idempotency_table

metadata = MetaData()
gateway = gateway_tables(metadata)
webhooks = webhook_tables(metadata)
idempotency = idempotency_table(metadata)
deadlines = deadlines_table(metadata)

participants = Table(
    "participants",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("name_ru", String(300), nullable=False),
    Column("name_kk", String(300), nullable=False),
    Column("bin", String(12), nullable=False),
    Column("kato", String(9), nullable=False),
    Column("regions", JSON, nullable=False),
    Column("services", JSON, nullable=False),
    Column("delivery", String(8), nullable=False),
    Column("broker_user", String(64)),
    Column("state", String(12), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

participant_certificates = Table(
    "participant_certificates",
    metadata,
    Column("thumbprint", String(64), primary_key=True),
    Column("code", String(64), nullable=False, index=True),
    Column("certificate", LargeBinary, nullable=False),  # DER
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),  # rotation: the old one is withdrawn after the new one is in use
)

member_lists = Table(
    "member_lists",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("signed", Text, nullable=False),  # compact JWS, as members get it
    Column("made_at", UtcDateTime, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("type", String(100), nullable=False),
    Column("size", Integer, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),  # null once the application was submitted
    Index("attachments_sha256", "sha256"),
    Index("attachments_expires", "expires_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String(36), primary_key=True),  # UUIDv7: in the order of arrival
    Column("digest", String(64), nullable=False, unique=True),  # of all that makes two deliveries one letter
    Column("queue", String(128)),  # where it died; null when it does not say
    Column("reason", String(200), nullable=False),
    Column("deliveries", Integer),
    Column("received_at", UtcDateTime, nullable=False),
    Column("message_id", String(255), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("headers", LargeBinary, nullable=False),  # sealed JSON
    Column("envelope_id", String(36)),  # this and the next four: null when the body is no envelope
    Column("type", String(128)),
    Column("source", String(64)),
    Column("case_id", String(36)),
    Column("regulation", String(64)),
    Column("first_id", String(36)),  # the letter it was before it was re-driven for the first time
    Column("generation", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", String(80)),
    Column("note", String(500)),
    Column("due_at", UtcDateTime),  # re-driven and not in its queue yet: publish at
    Column("last_error", String(200)),  # why it could not be published
    Column("put_back_at", UtcDateTime),
    Index("dead_letters_state", "state", "queue"),
    Index("dead_letters_case", "case_id"),
    Index("dead_letters_due", "due_at"),
)

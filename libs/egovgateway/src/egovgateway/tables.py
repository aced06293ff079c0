"""A gateway's tables, seen by the store alone. Each gateway makes them in its own database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from egovkit.db import JournalTables, UtcDateTime, journal_tables, stamped_journal_tables


@dataclass(frozen=True, slots=True)
class GatewayTables:
    """The tables every gateway has."""

    envelopes: Table
    turned_away: Table
    cases: Table
    journal: JournalTables


@dataclass(frozen=True, slots=True)
class WebhookTables:
    """What a gateway keeps of the participants it calls, of the calls, and of each attempt."""

    hooks: Table
    deliveries: Table
    attempts: Table


REVISION = 3  # of the shapes below; `egovgateway.migrations` knows the way from each to the next


def gateway_tables(metadata: MetaData, revision: int = REVISION) -> GatewayTables:
    """Declare a gateway's tables in `metadata`, in the shape of a revision."""
    return GatewayTables(
        envelopes=_envelopes(metadata, *(measured() if revision > 1 else ())),
        turned_away=_turned_away(metadata),
        cases=_cases(metadata, *(due() if revision > 1 else ())),
        journal=stamped_journal_tables(metadata) if revision > 2 else journal_tables(metadata),
    )


def measured() -> tuple[Column[Any] | Index, ...]:
    """What was used of the act's limit; null where nothing was measured."""
    only = text("limit_s IS NOT NULL")
    return (
        Column("step", String(16)),
        Column("clause", String(200)),
        Column("limit_s", Float),
        Column("used_s", Float),
        Column("late", Boolean),
        Index("envelopes_measured", "received_at", sqlite_where=only, postgresql_where=only),
    )


def due() -> tuple[Column[Any] | Index, ...]:
    """When the message that is awaited next is late by the act; null: no limit runs."""
    return (
        Column("due_at", UtcDateTime),
        Column("due_step", String(16)),
        Column("due_clause", String(200)),
        Index("cases_due", "due_at"),
    )


def _envelopes(metadata: MetaData, *added: Column[Any] | Index) -> Table:
    return Table(
        "envelopes",
        metadata,
        Column("source", String(80), primary_key=True),  # with > behind it: the passage back into our regions
        Column("id", String(36), primary_key=True),
        Column("sha256", String(64), nullable=False),
        Column("type", String(80), nullable=False),
        Column("case_id", String(36), nullable=False),
        Column("caseseq", Integer, nullable=False),
        Column("recipient", String(80), nullable=False),
        Column("raw", LargeBinary, nullable=False),
        Column("signature", Text, nullable=False),
        Column("receipts", Text, nullable=False),  # of earlier hops, then ours, comma-separated
        Column("door", String(80), nullable=False),
        Column("state", String(12), nullable=False),
        Column("queue", String(80)),  # where it is to be published; null when nobody is to get it by broker
        Column("problem", JSON),  # the stored answer of a refused envelope
        Column("received_at", UtcDateTime, nullable=False),
        Column("due_at", UtcDateTime),  # accepted: publish again at; parked: refuse at
        Column("attempts", Integer, nullable=False, default=0),
        Column("settled_at", UtcDateTime),
        *added,
        Index("envelopes_due", "state", "due_at"),
        Index("envelopes_case", "case_id", "source", "caseseq"),
        Index("envelopes_inbox", "recipient", "state", "settled_at"),
    )


def _turned_away(metadata: MetaData) -> Table:
    return Table(
        "turned_away",  # refused before or beside the (source, id) row: journaled once, however often it comes
        metadata,
        Column("digest", String(64), primary_key=True),
        Column("code", String(80), nullable=False),
        Column("received_at", UtcDateTime, nullable=False),
    )


def _cases(metadata: MetaData, *added: Column[Any] | Index) -> Table:
    return Table(
        "cases",
        metadata,
        Column("case_id", String(36), primary_key=True),
        Column("regulation", String(120), nullable=False),
        Column("regulation_version", Integer, nullable=False),
        Column("channel", String(24), nullable=False),
        Column("region", String(40), nullable=False),
        Column("origin", String(80), nullable=False),
        Column("provider", String(80), nullable=False),
        Column("position", String(16)),
        Column("ended", Boolean, nullable=False),
        Column("version", Integer, nullable=False),
        Column("sequences", JSON, nullable=False),
        Column("times", JSON, nullable=False),
        Column("questions", JSON, nullable=False),
        Column("updated_at", UtcDateTime, nullable=False),
        *added,
    )


def webhook_tables(metadata: MetaData) -> WebhookTables:
    """Declare the tables of webhooks in `metadata`."""
    return WebhookTables(_hooks(metadata), _deliveries(metadata), _attempts(metadata))


def _hooks(metadata: MetaData) -> Table:
    return Table(
        "webhooks",
        metadata,
        Column("member", String(64), primary_key=True),
        Column("url", Text, nullable=False),
        Column("state", String(12), nullable=False),
        Column("reason", String(12)),  # why it is paused
        Column("updated_at", UtcDateTime, nullable=False),
        Column("updated_by", String(80), nullable=False),
    )


def _deliveries(metadata: MetaData) -> Table:
    return Table(
        "webhook_deliveries",
        metadata,
        Column("id", String(36), primary_key=True),  # UUIDv7, the receiver's `webhook-id`: the same at every attempt
        Column("member", String(64), nullable=False),
        Column("source", String(80), nullable=False),  # this and the next: the key of the envelope's row
        Column("envelope_id", String(36), nullable=False),
        Column("type", String(128), nullable=False),
        Column("case_id", String(36), nullable=False),
        Column("caseseq", Integer, nullable=False),
        Column("waiting_since", UtcDateTime, nullable=False),
        Column("state", String(12), nullable=False),
        Column("manual", Boolean, nullable=False),  # delivered again by hand: beside the order of its case
        Column("attempts", Integer, nullable=False),
        Column("round_from", Integer, nullable=False),  # attempts made before this round of them
        Column("next_at", UtcDateTime, nullable=False),
        Column("claimed_until", UtcDateTime),  # a process has it in its hands
        Column("settled_at", UtcDateTime),
        UniqueConstraint("source", "envelope_id", name="webhook_deliveries_envelope"),
        Index("webhook_deliveries_due", "member", "state", "next_at"),
        Index("webhook_deliveries_case", "case_id", "member", "state"),
        Index("webhook_deliveries_settled", "state", "settled_at"),
    )


def _attempts(metadata: MetaData) -> Table:
    return Table(
        "webhook_attempts",
        metadata,
        Column("delivery_id", String(36), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("at", UtcDateTime, nullable=False),
        Column("status", Integer),  # of the answer; with `error` null too: its process did not live to see one
        Column("ms", Integer),
        Column("error", String(200)),
    )

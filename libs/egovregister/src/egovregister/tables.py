"""A register's shared tables, seen by the store alone. Each register makes them in its own database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import JSON, Column, Date, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from egovkit.db import UtcDateTime


@dataclass(frozen=True, slots=True)
class RegisterTables:
    reads: Table
    read_iins: Table
    answers: Table
    waiting: Table
    faults: Table


def register_tables(metadata: MetaData) -> RegisterTables:
    return RegisterTables(
        reads=_reads(metadata),
        read_iins=_read_iins(metadata),
        answers=_answers(metadata),
        waiting=_waiting(metadata),
        faults=_faults(metadata),
    )


def _reads(metadata: MetaData) -> Table:
    """Who looked, why, and what became of it. Never updated."""
    return Table(
        "reads",
        metadata,
        Column("id", String(36), primary_key=True),  # UUIDv7: the order of time
        Column("at", UtcDateTime, nullable=False),
        Column("source", String(64), nullable=False, index=True),  # the asking system
        Column("question", String(36), nullable=False),  # its envelope
        Column("case_id", String(36), index=True),
        Column("official", String(80), nullable=False),
        Column("purpose_ru", Text, nullable=False),
        Column("clause", String(120), nullable=False),
        Column("regulation", String(64), nullable=False),
        Column("channel", String(64), nullable=False),
        Column("step", String(64), nullable=False),
        Column("region", String(64), nullable=False),
        Column("criterion", String(200), nullable=False),  # its kind; the values are personal data
        Column("asked_iin", String(12)),
        Column("as_of", Date),
        Column("found", Integer),  # NULL = nothing was looked up
        Column("outcome", String(16), nullable=False),
        Column("fault", String(16)),
        UniqueConstraint("source", "question", name="reads_question"),
    )


def _read_iins(metadata: MetaData) -> Table:
    """Everybody whose data a read was about: asked for, or given out."""
    return Table(
        "read_iins",
        metadata,
        Column("read_id", String(36), primary_key=True),
        Column("iin", String(12), primary_key=True, index=True),
    )


def _answers(metadata: MetaData) -> Table:
    """What left for a read, and what a gateway said against it."""
    return Table(
        "answers",
        metadata,
        Column("id", String(36), primary_key=True),  # the envelope's
        Column("read_id", String(36), nullable=False, index=True),
        Column("at", UtcDateTime, nullable=False),
        Column("problem", JSON),  # NULL = not refused
    )


def _waiting(metadata: MetaData) -> Table:
    """Answers that are late on purpose."""
    return Table(
        "waiting_answers",
        metadata,
        Column("read_id", String(36), primary_key=True),
        Column("due_at", UtcDateTime, nullable=False),
        Column("draft", JSON, nullable=False),
        Column("clause", String(120), nullable=False),
        Index("waiting_answers_due", "due_at"),
    )


def _faults(metadata: MetaData) -> Table:
    """One row at most: the fault of the control API."""
    return Table(
        "faults",
        metadata,
        Column("slot", Integer, primary_key=True, autoincrement=False),
        Column("kind", String(16), nullable=False),
        Column("seconds", Float),
        Column("left", Integer),
        Column("iin", String(12)),
        Column("set_at", UtcDateTime, nullable=False),
    )

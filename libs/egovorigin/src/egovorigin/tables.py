"""The tables of an application at its origin, seen by the store alone. Each origin makes them in its own database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from egovkit.db import BigId, UtcDateTime
from egovkit.db.tables import CODE, ID

LABEL = String(16)


@dataclass(frozen=True, slots=True)
class OriginTables:
    cases: Table
    case_steps: Table
    attachments: Table
    results: Table
    result_pages: Table
    history: Table
    attempts: Table


def origin_tables(metadata: MetaData, *own: Column[Any] | Index) -> OriginTables:
    """`own`: what this origin alone knows of a case, and its indices."""
    return OriginTables(
        cases=_cases(metadata, own),
        case_steps=_case_steps(metadata),
        attachments=_attachments(metadata),
        results=_results(metadata),
        result_pages=_result_pages(metadata),
        history=_history(metadata),
        attempts=_attempts(metadata),
    )


def _cases(metadata: MetaData, own: tuple[Column[Any] | Index, ...]) -> Table:
    return Table(
        "cases",
        metadata,
        Column("id", ID, primary_key=True),
        Column("regulation", String(80), nullable=False),
        Column("regulation_version", Integer, nullable=False),
        Column("region", String(40), nullable=False),
        Column("state", String(24), nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
        Column("changed_at", UtcDateTime, nullable=False),
        Column("form", JSON, nullable=False),
        Column("form_version", Integer, nullable=False),  # the ETag of what is filled in and attached
        Column("started_at", UtcDateTime, nullable=False),  # of the step being done: choose and fill, then sign
        Column("certificate", CODE),  # thumbprint of the certificate chosen to sign with
        Column("document", LargeBinary),  # the exact bytes to sign, then signed
        Column("prepared_at", UtcDateTime),
        Column("signature", LargeBinary),
        Column("judged", JSON(none_as_null=True)),  # what was known of the signature when it was judged
        Column("submitted_at", UtcDateTime),
        Column("recipient", CODE),  # the provider's system: whose word on this case counts
        Column("envelope_id", ID),  # of the last one sent about the case itself
        Column("receipt", Text),  # ШЭП's, from envelope.accepted
        Column("accepted_at", UtcDateTime),
        Column("number", String(11)),
        Column("registered_at", UtcDateTime),
        Column("owner_version", Integer, nullable=False),
        Column("step", LABEL),  # where the case stands, as the last applied message says
        Column("status", JSON),  # the owner's last word: status, text_ru, text_kk, at
        Column("term_until", UtcDateTime),  # after an extension or a pause
        Column("term_change", JSON),  # the last one: what, at, reason_ru, reason_kk
        Column("outcome", String(12)),  # of the result: positive, negative; NULL for a refusal
        Column("problem", JSON),  # why a gateway refused, or the origin ended it
        *own,
    )


def _case_steps(metadata: MetaData) -> Table:
    """The trail: local steps with their places in this service's journal."""
    return Table(
        "case_steps",
        metadata,
        Column("case_id", ID, nullable=False),
        Column("step", LABEL, nullable=False),
        Column("n", Integer, nullable=False),  # place in the flow: the trail's order
        Column("outcome", String(12), nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Column("writer", String(160), nullable=False),
        Column("position", BigId, nullable=False),
        Column("hash", CODE, nullable=False),
        PrimaryKeyConstraint("case_id", "step", name="case_steps_pk"),
    )


def _attachments(metadata: MetaData) -> Table:
    return Table(
        "attachments",
        metadata,
        Column("case_id", ID, nullable=False),
        Column("name", String(255), nullable=False),
        Column("type", String(40), nullable=False),
        Column("size", Integer, nullable=False),
        Column("sha256", String(64), nullable=False),
        Column("added_at", UtcDateTime, nullable=False),
        Column("content", LargeBinary),  # sealed; NULL once the provider spoke of the case: the gateway keeps it then
        PrimaryKeyConstraint("case_id", "name", name="attachments_pk"),
    )


def _results(metadata: MetaData) -> Table:
    return Table(
        "results",
        metadata,
        Column("case_id", ID, primary_key=True),
        Column("kind", String(12), nullable=False),  # result or refusal
        Column("document", LargeBinary, nullable=False),
        Column("signature", LargeBinary),  # refusal letters carry none
        Column("reasons", JSON),
        Column("issued_at", UtcDateTime, nullable=False),
        Column("received_at", UtcDateTime, nullable=False),
        Column("judged", JSON(none_as_null=True)),  # what was known of the signature when it came
        Column("outcome", String(12)),  # of a result: positive, negative
        Column("variant", String(40)),  # which of the act's forms, where it has several
        Column("valid_until", Date),  # the last day, where the act limits it
        Column("page_sha256", String(64)),  # of the PDF that the official signed too, where he did
        Column("page_size", Integer),
    )


def _result_pages(metadata: MetaData) -> Table:
    """That PDF, from when it was first asked for: until then ШЭП alone keeps it."""
    return Table(
        "result_pages",
        metadata,
        Column("case_id", ID, primary_key=True),
        Column("sha256", String(64), primary_key=True),
        Column("content", LargeBinary, nullable=False),  # sealed
    )


def _history(metadata: MetaData) -> Table:
    return Table(
        "history",
        metadata,
        Column("id", BigId, primary_key=True, autoincrement=True),
        Column("case_id", ID, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Column("event", String(40), nullable=False),
        Column("step", LABEL),
        Column("clause", String(80)),
        Column("state_before", String(24), nullable=False),
        Column("state_after", String(24), nullable=False),
        Column("applied", Boolean, nullable=False),
        Column("version", Integer),  # the owner's, of messages that carry one
        Column("envelope_id", ID),
        Column("limit_s", Float),
        Column("used_s", Float),
        Column("detail", JSON),
        Index("history_case", "case_id", "id"),
    )


def _attempts(metadata: MetaData) -> Table:
    return Table(
        "attempts",
        metadata,
        Column("key", CODE, primary_key=True),  # keyed hash of person and address: the table names nobody
        Column("count", Integer, nullable=False),
        Column("until", UtcDateTime, nullable=False),  # before it the next attempt waits or counts
    )

"""Tables of the centre's workstation; only the store (and the migrations) look here."""

from __future__ import annotations

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

from egovkit.db import BigId, UtcDateTime, deadlines_table, kit_tables

metadata = MetaData()
kit = kit_tables(metadata)
deadlines = deadlines_table(metadata)

ID = String(36)
CODE = String(64)
LABEL = String(16)

operators = Table(
    "operators",
    metadata,
    Column("id", ID, primary_key=True),
    Column("login", CODE, nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("iin", String(12), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("centre", CODE, nullable=False),
    Column("region", String(40)),  # of the centre; NULL: it serves all of them
    Column("branch", Boolean, nullable=False),  # a district branch: its papers go on by courier
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", CODE, primary_key=True),  # the token's own id
    Column("operator_id", ID, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("login", JSON, nullable=False),  # the login's step, to be attached to cases (E9)
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", CODE, primary_key=True),  # keyed hash of login and address: the table names nobody
    Column("count", Integer, nullable=False),
    Column("until", UtcDateTime, nullable=False),  # before it the next attempt waits
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(160), primary_key=True),
    Column("last", Integer, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", ID, primary_key=True),
    Column("centre", CODE, nullable=False),
    Column("number", Integer, nullable=False),  # of the day
    Column("regulation", String(80)),
    Column("state", String(16), nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("called_at", UtcDateTime),  # the last time
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("operator_id", ID),  # who called it last
    Index("tickets_centre", "centre", "id"),
)

cases = Table(
    "cases",
    metadata,
    Column("id", ID, primary_key=True),
    Column("centre", CODE, nullable=False),
    Column("operator_id", ID, nullable=False),  # who opened it
    Column("ticket_id", ID, unique=True),
    Column("regulation", String(80), nullable=False),
    Column("regulation_version", Integer, nullable=False),
    Column("region", String(40), nullable=False),
    Column("state", String(24), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("iin", String(12)),  # NULL until the consumer is entered
    Column("representative", JSON),
    Column("round", Integer, nullable=False),  # of asking the registers: answers of a former round count for nothing
    Column("facts", JSON, nullable=False),  # E2, from the person register
    Column("form", JSON, nullable=False),
    Column("papers", JSON, nullable=False),
    Column("form_version", Integer, nullable=False),  # the ETag of form, papers and scans
    Column("started_at", UtcDateTime, nullable=False),  # of the step being done: choose and fill, then attach and sign
    Column("certificate", CODE),  # thumbprint of the operator's certificate
    Column("signed_by", ID),  # the operator who prepared, and signs
    Column("document", LargeBinary),  # the exact bytes to sign, then signed
    Column("prepared_at", UtcDateTime),
    Column("signature", LargeBinary),
    Column("judged", JSON(none_as_null=True)),  # what was known of the signature when it was judged
    Column("submitted_at", UtcDateTime),
    Column("recipient", CODE),  # the provider's system: whose word on this case counts
    Column("envelope_id", ID),  # of the last case.submitted, steps.reported or case.handed_over
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
    Column("problem", JSON),  # why a gateway refused, or which data the registers have not
    Index("cases_centre", "centre", "id"),
    Index("cases_iin", "iin"),
    Index("cases_number", "number"),
)

case_steps = Table(
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

queries = Table(
    "queries",
    metadata,
    Column("id", ID, primary_key=True),  # the envelope's: an answer names it
    Column("case_id", ID, nullable=False),
    Column("round", Integer, nullable=False),
    Column("register", String(20), nullable=False),
    Column("recipient", CODE, nullable=False),
    Column("operator_id", ID, nullable=False),
    Column("clause", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("limit_s", Float),
    Column("answered_at", UtcDateTime),  # when ШЭП received the answer
    Column("used_s", Float),
    Column("answer", JSON),
    Column("reason", String(80)),  # code: why it is no data, or unusable
    Column("problem", JSON),  # of a gateway
    Index("queries_case", "case_id", "id"),
)

attachments = Table(
    "attachments",
    metadata,
    Column("case_id", ID, nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("content", LargeBinary),  # sealed; NULL once the provider took the application: the gateway keeps it then
    PrimaryKeyConstraint("case_id", "name", name="attachments_pk"),
)

results = Table(
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
)

hand_overs = Table(
    "hand_overs",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("operator_id", ID, nullable=False),
    Column("capacity", String(16), nullable=False),
    Column("iin", String(12), nullable=False),
    Column("certificate", CODE, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("prepared_at", UtcDateTime, nullable=False),
    Column("signature", LargeBinary),
    Column("handed_over_at", UtcDateTime),
    Column("judged", JSON(none_as_null=True)),  # what was known of that signature when it was judged
)

receipts = Table(
    "receipts",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("operator_id", ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("missing", JSON, nullable=False),
    Column("note", Text),
    Column("document", LargeBinary, nullable=False),
)

intakes = Table(
    "intakes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("centre", CODE, nullable=False),
    Column("operator_id", ID, nullable=False),
    Column("regulation", String(80), nullable=False),
    Column("regulation_version", Integer, nullable=False),
    Column("region", String(40), nullable=False),
    Column("channel", String(24), nullable=False),
    Column("iin", String(12), nullable=False),
    Column("papers", JSON, nullable=False),
    Column("note", Text),
    Column("document", LargeBinary, nullable=False),  # the receipt, as it was given out
    Column("at", UtcDateTime, nullable=False),
    Index("intakes_centre", "centre", "id"),
)

couriers = Table(
    "couriers",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("clause", String(80), nullable=False),
    Column("dispatched_at", UtcDateTime, nullable=False),
    Column("dispatched_by", ID, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),  # by the working-day calendar
    Column("arrived_at", UtcDateTime),
    Column("arrived_by", ID),
)

surveys = Table(
    "surveys",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("centre", CODE, nullable=False),
    Column("regulation", String(80), nullable=False),
    Column("answers", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("surveys_centre", "centre", "regulation"),
)

reads = Table(
    "reads",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("operator_id", ID, nullable=False),
    Column("centre", CODE, nullable=False),
    Column("case_id", ID, nullable=False),
    Column("what", String(20), nullable=False),  # facts or answers
    Index("reads_centre", "centre", "id"),
)

history = Table(
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

"""Tables of the centre's workstation; only the store (and the migrations) look here."""

from __future__ import annotations

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
)

from egovkit.db import UtcDateTime, deadlines_table, kit_tables
from egovkit.db.tables import CODE, ID
from egovorigin.tables import origin_tables

metadata = MetaData()
kit = kit_tables(metadata)
deadlines = deadlines_table(metadata)


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

origin = origin_tables(
    metadata,
    Column("centre", CODE, nullable=False),
    Column("operator_id", ID, nullable=False),  # who opened it
    Column("ticket_id", ID, unique=True),
    Column("iin", String(12)),  # NULL until the consumer is entered
    Column("representative", JSON),
    Column("round", Integer, nullable=False),  # of asking the registers: answers of a former round count for nothing
    Column("facts", JSON, nullable=False),  # E2, from the person register
    Column("papers", JSON, nullable=False),
    Column("signed_by", ID),  # the operator who prepared, and signs
    Index("cases_centre", "centre", "id"),
    Index("cases_iin", "iin"),
    Index("cases_number", "number"),
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

"""Tables of the portal; only the store (and the migrations) look here."""

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

accounts = Table(
    "accounts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("iin", String(12), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),  # NULL: nobody has proved yet that the ИИН is his (E5)
    Column("confirmed_with", String(64)),  # thumbprint
    Column("confirmation", LargeBinary),  # the bytes to sign, or those that were signed
    Column("confirmation_until", UtcDateTime),
    Column("confirmation_signature", LargeBinary),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),  # the token's own id
    Column("account_id", ID, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("login", JSON, nullable=False),  # the login's steps, to be attached to cases (E9)
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", String(64), primary_key=True),  # keyed hash of ИИН and address: the table names nobody
    Column("count", Integer, nullable=False),
    Column("until", UtcDateTime, nullable=False),  # before it the next attempt waits (login) or counts (registration)
)

cases = Table(
    "cases",
    metadata,
    Column("id", ID, primary_key=True),
    Column("account_id", ID, nullable=False),
    Column("iin", String(12), nullable=False),
    Column("regulation", String(80), nullable=False),
    Column("regulation_version", Integer, nullable=False),
    Column("region", String(40), nullable=False),
    Column("state", String(24), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("form", JSON, nullable=False),
    Column("form_version", Integer, nullable=False),  # the ETag of form and copies
    Column("started_at", UtcDateTime, nullable=False),  # of the step being done: choose and fill, then sign
    Column("certificate", String(64)),  # thumbprint of the certificate the applicant chose
    Column("document", LargeBinary),  # the exact bytes to sign, then signed
    Column("prepared_at", UtcDateTime),
    Column("signature", LargeBinary),
    Column("judged", JSON(none_as_null=True)),  # what was known of the signature when it was judged
    Column("submitted_at", UtcDateTime),
    Column("recipient", CODE),  # the provider's system: whose word on this case counts
    Column("envelope_id", ID),  # of the last case.submitted or steps.reported
    Column("receipt", Text),  # ШЭП's, from envelope.accepted
    Column("accepted_at", UtcDateTime),
    Column("number", String(11)),
    Column("registered_at", UtcDateTime),
    Column("owner_version", Integer, nullable=False),
    Column("step", LABEL),  # where the case stands, as the last applied message says
    Column("status", JSON),  # the owner's last word: status, text_ru, text_kk, at
    Column("term_until", UtcDateTime),  # after an extension or a pause
    Column("term_change", JSON),  # the last one: what, at, reason_ru, reason_kk
    Column("outcome", String(12)),  # of the result: positive, negative
    Column("problem", JSON),  # why a gateway or the certificate check refused
    Index("cases_account", "account_id", "id"),
    Index("cases_number", "account_id", "number"),
    Index("cases_by_number", "number"),  # whoever verifies a document knows no account
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
    Column("hash", String(64), nullable=False),
    PrimaryKeyConstraint("case_id", "step", name="case_steps_pk"),
)

co_signatures = Table(
    "co_signatures",  # of those whom the applicant named to sign with him
    metadata,
    Column("case_id", ID, nullable=False),
    Column("role", String(20), nullable=False),
    Column("iin", String(12), nullable=False),
    Column("state", String(12), nullable=False),
    Column("asked_at", UtcDateTime),  # when the applicant had signed; NULL: not yet
    Column("answered_at", UtcDateTime),
    Column("signature", LargeBinary),
    Column("judged", JSON(none_as_null=True)),  # what was known of it when it was judged
    Column("reason", Text),  # of who declined
    PrimaryKeyConstraint("case_id", "role", name="co_signatures_pk"),
    Index("co_signatures_iin", "iin", "case_id"),
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
    Column("content", LargeBinary),  # sealed; NULL once the gateway took the application: it keeps the file then
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

notifications = Table(
    "notifications",
    metadata,
    Column("id", ID, primary_key=True),
    Column("account_id", ID, nullable=False),
    Column("case_id", ID, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("text_kk", Text, nullable=False),
    Column("text_ru", Text, nullable=False),
    Column("text_en", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
    Index("notifications_account", "account_id", "id"),
)

reads = Table(
    "reads",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("case_id", ID, nullable=False),
    Column("account_id", ID, nullable=False),  # who looked
    Column("at", UtcDateTime, nullable=False),
    Column("what", String(16), nullable=False),
    Index("reads_case", "case_id", "id"),
)

queue_positions = Table(
    "queue_positions",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("question", ID, nullable=False),
    Column("asked", CODE, nullable=False),
    Column("state", String(12), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("problem", JSON),  # why a gateway refused the last question
    Column("entry", JSON),  # as the register told it last
    Column("told_at", UtcDateTime),
)

data_read_questions = Table(
    "data_read_questions",
    metadata,
    Column("account_id", ID, nullable=False),
    Column("register", CODE, nullable=False),
    Column("question", ID, nullable=False, index=True),
    Column("state", String(12), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("problem", JSON),  # why a gateway refused the last question
    Column("told_at", UtcDateTime),  # when the register answered last
    PrimaryKeyConstraint("account_id", "register", name="data_read_questions_pk"),
)

data_reads = Table(
    "data_reads",
    metadata,
    Column("account_id", ID, nullable=False),
    Column("register", CODE, nullable=False),
    Column("id", ID, nullable=False),  # the register's, UUIDv7: the order of time
    Column("at", UtcDateTime, nullable=False),
    Column("told", JSON, nullable=False),  # as the register's answer has it
    PrimaryKeyConstraint("account_id", "register", "id", name="data_reads_pk"),
    Index("data_reads_account", "account_id", "id"),
)

surveys = Table(
    "surveys",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("regulation", String(80), nullable=False),
    Column("regulation_version", Integer, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),  # the first time: what is counted when hangs on it
    Column("changed_at", UtcDateTime, nullable=False),
    Index("surveys_regulation", "regulation", "regulation_version", "given_at", "case_id"),
)

survey_answers = Table(
    "survey_answers",
    metadata,
    Column("case_id", ID, nullable=False),
    Column("question", String(60), nullable=False),  # the field's name in the regulation's form
    Column("option", Integer, nullable=False),  # its number, as the act prints them: from 1
    PrimaryKeyConstraint("case_id", "question", name="survey_answers_pk"),
)

__all__ = [
    "accounts",
    "attachments",
    "attempts",
    "case_steps",
    "cases",
    "data_read_questions",
    "data_reads",
    "history",
    "kit",
    "metadata",
    "notifications",
    "queue_positions",
    "reads",
    "results",
    "sessions",
    "survey_answers",
    "surveys",
]

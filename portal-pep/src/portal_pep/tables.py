"""Tables of the portal; only the store (and the migrations) look here."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
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
from egovkit.db.tables import CODE, ID
from egovorigin.tables import origin_tables

metadata = MetaData()
kit = kit_tables(metadata)
deadlines = deadlines_table(metadata)


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

origin = origin_tables(
    metadata,
    Column("account_id", ID, nullable=False),
    Column("iin", String(12), nullable=False),
    Index("cases_account", "account_id", "id"),
    Index("cases_number", "account_id", "number"),
    Index("cases_by_number", "number"),  # whoever verifies a document knows no account
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
    "data_read_questions",
    "data_reads",
    "kit",
    "metadata",
    "notifications",
    "origin",
    "queue_positions",
    "reads",
    "sessions",
    "survey_answers",
    "surveys",
]

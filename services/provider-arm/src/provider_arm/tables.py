"""Tables of the workstation; only the store (and the migrations) look here."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from egovkit.db import UtcDateTime, deadlines_table, kit_tables

metadata = MetaData()

kit = kit_tables(metadata)
deadlines = deadlines_table(metadata)

staff = Table(
    "staff",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("iin", String(12), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("region", String(40), nullable=False),
    Column("provider", String(120)),  # null: every provider of the region
    Column("office", String(200), nullable=False),
    Column("office_kind", String(40), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("id", String(64), primary_key=True),  # the token's own id
    Column("staff_id", String(36), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("key", String(64), primary_key=True),  # keyed hash of ИИН and address: the table names nobody
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

provider_numbers = Table(
    "provider_numbers",
    metadata,
    Column("provider", String(120), primary_key=True),
    Column("last", Integer, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("provider", String(120), nullable=False),
    Column("number", String(11), nullable=False),
    Column("regulation", String(80), nullable=False),
    Column("regulation_version", Integer, nullable=False),
    Column("channel", String(40), nullable=False),
    Column("region", String(40), nullable=False),
    Column("source", String(80), nullable=False),
    Column("envelope_id", String(36), nullable=False),
    Column("applicant_iin", String(12), nullable=False),
    Column("document", LargeBinary, nullable=False),  # exact bytes the applicant signed
    Column("signature", LargeBinary, nullable=False),
    Column("judged", JSON(none_as_null=True)),  # what was known of that signature when it was judged
    Column("attachments", JSON, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("reasons", JSON, nullable=False),  # why not verified: codes
    Column("state", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("trail", JSON, nullable=False),  # local steps since our last message of the case
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(36)),  # null: the system itself
    Column("decision", JSON(none_as_null=True)),  # null: not decided yet
    UniqueConstraint("provider", "number", name="uq_cases_provider_number"),
    Index("ix_cases_region_registered", "region", "registered_at", "id"),
)

co_signatures = Table(
    "co_signatures",  # of those whom the application names beside its applicant
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("role", String(20), primary_key=True),
    Column("iin", String(12), nullable=False),
    Column("signature", LargeBinary),  # null: it did not come
    Column("judged", JSON(none_as_null=True)),
    Column("reasons", JSON, nullable=False),  # why it is not believed: codes
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("assignee", String(36)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime),
    Column("done_at", UtcDateTime),
    Column("done_by", String(36)),
    Column("due_at", UtcDateTime),  # null: the act gives this step no term of its own
    Column("limit_s", Integer),
    Column("limit_clause", String(200)),
    Column("step", String(40), nullable=False),  # of the internal procedure; empty: a step of the flow
    Column("term", String(40)),
    UniqueConstraint("case_id", "kind", "step", name="uq_tasks_case_kind_step"),
    Index("ix_tasks_state_created", "state", "created_at", "id"),
)

result_drafts = Table(
    "result_drafts",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("staff_id", String(36), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("certificate", String(64), nullable=False),  # thumbprint the document names
    Column("case_version", Integer, nullable=False),
    Column("prepared_at", UtcDateTime, nullable=False),
)

page_drafts = Table(
    "page_drafts",  # the page of a prepared result, waiting for its own signature
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("document_sha256", String(64), nullable=False),  # of the result it shows; of another it is stale
    Column("signature", LargeBinary, nullable=False),  # over that document, as the page's codes carry it
    Column("pdf", LargeBinary, nullable=False),
    Column("hole_start", Integer, nullable=False),
    Column("hole_end", Integer, nullable=False),
    Column("page_signature", LargeBinary),  # once sealed: over the page
    Column("sealed", LargeBinary),  # B-LTA: a repetition finds it and asks for no more stamps
)

result_pages = Table(
    "result_pages",  # what the official signed as a PDF, beside the result in `documents`
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("pdf", LargeBinary, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("case_id", String(36), primary_key=True),  # a case ends once: one refusal letter or one result
    Column("kind", String(20), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary),  # a refusal is unsigned (A9, A13)
    Column("judged", JSON(none_as_null=True)),
    Column("made_by", String(36), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

reads = Table(
    "reads",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("staff_id", String(36), nullable=False),
    Column("case_id", String(36), nullable=False),
    Column("region", String(40), nullable=False),
    Column("provider", String(120), nullable=False),
    Column("what", String(80), nullable=False),
    Column("why", String(500), nullable=False),
    Index("ix_reads_at", "at", "id"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("case_id", String(36), nullable=False),
    Column("region", String(40), nullable=False),
    Column("provider", String(120)),
    Column("envelope_id", String(36), nullable=False, unique=True),  # the refused envelope of ours
    Column("envelope_type", String(80), nullable=False),
    Column("code", String(80), nullable=False),
    Column("problem", JSON, nullable=False),  # as the gateway signed it: clause, hop, clock, remedy in three languages
    Index("ix_incidents_at", "at", "id"),
)

own_cases = Table(
    "own_cases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("regulation", String(80), nullable=False),
    Column("regulation_version", Integer, nullable=False),
    Column("channel", String(40), nullable=False),
    Column("region", String(40), nullable=False),
    Column("provider", String(120), nullable=False),
    Column("owner", String(36), nullable=False),
    Column("iin", String(12)),
    Column("form", JSON, nullable=False),
    Column("papers", JSON, nullable=False),
    Column("trail", JSON, nullable=False),  # every local step so far
    Column("state", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", LargeBinary),  # exact bytes to sign
    Column("certificate", String(64)),
    Column("prepared_at", UtcDateTime),
    Column("number", String(11)),
    Column("judged", JSON(none_as_null=True)),  # of a signature the act refuses; a registered case has its own
    Column("opened_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_own_cases_region_opened", "region", "opened_at", "id"),
)

own_queries = Table(
    "own_queries",
    metadata,
    Column("id", String(36), primary_key=True),  # of the question's envelope
    Column("case_id", String(36), nullable=False),
    Column("register", String(80), nullable=False),
    Column("iin", String(12), nullable=False),
    Column("state", String(20), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("asked_by", String(36), nullable=False),
    Column("clause", String(200), nullable=False),
    Column("limit_s", Integer),
    Column("answered_at", UtcDateTime),
    Column("person", JSON(none_as_null=True)),  # of an answer in time: what came late is not kept
    Column("problem", JSON(none_as_null=True)),  # a gateway's refusal of the question
    Index("ix_own_queries_case", "case_id", "asked_at", "id"),
)

own_scans = Table(
    "own_scans",  # the bytes are in ШЭП's store
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
)

procedures = Table(
    "procedures",  # the internal procedure of a case: what its steps hand on to one another
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("lodged", String(20), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("executor", String(36)),  # null until somebody names one
    Column("draft", JSON, nullable=False),  # answer, texts, values, conclusion
)

opinions = Table(
    "opinions",  # of a commission, before the decision
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("positive", Boolean, nullable=False),
    Column("text_ru", Text, nullable=False),
    Column("text_kk", Text, nullable=False),
    Column("given_by", String(36), nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
)

register_queries = Table(
    "register_queries",  # of a registered case to the akimat's register
    metadata,
    Column("id", String(36), primary_key=True),  # of the question's envelope
    Column("case_id", String(36), nullable=False),
    Column("asked", String(80), nullable=False),
    Column("register", String(40), nullable=False),
    Column("operation", String(20), nullable=False),
    Column("person_iin", String(12), nullable=False),
    Column("state", String(20), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("asked_by", String(36)),  # null: the system itself
    Column("clause", String(200), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("limit_s", Integer),  # null: the act gives none
    Column("answered_at", UtcDateTime),
    Column("entries", JSON(none_as_null=True)),  # of an answer in time
    Column("problem", JSON(none_as_null=True)),  # a gateway's refusal of the question
    Index("ix_register_queries_case", "case_id", "asked_at", "id"),
)

hand_overs = Table(
    "hand_overs",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("handed_over_at", UtcDateTime, nullable=False),
    Column("capacity", String(20), nullable=False),
    Column("iin", String(12), nullable=False),
    Column("status_version", Integer, nullable=False),  # of the status that was handed over
    Column("document", LargeBinary, nullable=False),  # exact bytes the operator signed
    Column("signature", LargeBinary, nullable=False),
    Column("reasons", JSON, nullable=False),  # why the record is not believed: codes
    Column("judged", JSON(none_as_null=True)),
)

receipts = Table(
    "receipts",  # of the desk: papers taken in, or refused to be taken
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("number", String(11), nullable=False),
    Column("region", String(40), nullable=False),
    Column("provider", String(120), nullable=False),
    Column("regulation", String(80), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("case_id", String(36)),
    Column("applicant_iin", String(12), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("times", JSON, nullable=False),
    Column("issued_by", String(36), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    UniqueConstraint("provider", "kind", "number", name="uq_receipts_number"),
    Index("ix_receipts_region_issued", "region", "issued_at", "id"),
)

give_outs = Table(
    "give_outs",  # results handed over at this desk
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("way", String(20), nullable=False),
    Column("to", String(320), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary),
    Column("judged", JSON(none_as_null=True)),
    Column("given_by", String(36), nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
)

terms = Table(
    "terms",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("parts", JSON, nullable=False),  # as the act writes them, one after the other
    Column("source", String(20), nullable=False),
    Column("clause", String(400), nullable=False),
    Column("extensions", JSON, nullable=False),
    Column("pauses", JSON, nullable=False),
    Column("ended_at", UtcDateTime),
)

escalations = Table(
    "escalations",  # terms that passed unheeded: what the head has to look at
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("case_id", String(36), nullable=False, index=True),
    Column("task_id", String(36)),  # null: the term of the case itself
    Column("clause", String(400), nullable=False),
    Column("term", String(80), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Index("ix_escalations_at", "at", "id"),
)

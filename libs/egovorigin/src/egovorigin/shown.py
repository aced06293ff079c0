"""What an application looks like from outside, as far as every origin shows it alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from egovkit.files import MAX_CASE, MAX_FILE, MAX_FILES, Attachment
from egovkit.verdict import SignatureVerdict, verdict_of
from egovlaw.catalogue import Regulation
from egovlaw.forms import application_fields
from egovorigin.api import Shown, Text, Title, cursor_of, encoded
from egovorigin.domain import texts
from egovorigin.domain.document import read_document
from egovorigin.domain.forms import FIELD_NAME, MAX_FIELDS, MAX_ITEMS, MAX_VALUE
from egovorigin.progress import StepSeen
from egovorigin.store.cases import OriginCase
from egovorigin.store.files import Result
from egovorigin.store.records import StoredRecord

_VALUE_SCHEMA = {
    "anyOf": [
        {"type": "string", "maxLength": MAX_VALUE},
        {"type": "array", "items": {"type": "string", "maxLength": MAX_VALUE}, "maxItems": MAX_ITEMS},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "null"},
    ]
}
# Sizes are told here and checked by `domain.forms`, so that every wrong field is named.
Values = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra={
            "maxProperties": MAX_FIELDS,
            "propertyNames": {"pattern": FIELD_NAME},
            "additionalProperties": _VALUE_SCHEMA,
        }
    ),
]


class AttachmentShown(Shown):
    name: str
    type: str
    size: int
    sha256: str


class ServiceName(Shown):
    regulation: str
    version: int
    title_kk: str
    title_ru: str
    region: str


class TermChange(Shown):
    """Why the provider extended, paused or resumed the term, in his words."""

    what: str
    at: datetime
    reason_kk: str
    reason_ru: str


class ProgressShown(Shown):
    step: str
    type: str
    clause: str
    text_ru: str
    at: datetime | None
    outcome: str | None
    limit_s: float | None
    used_s: float | None
    share: float | None


class FilesShown(Shown):
    types: list[str]
    max_file: int = MAX_FILE
    max_case: int = MAX_CASE
    max_files: int = MAX_FILES


class RecordShown(Shown):
    at: datetime
    event: str
    step: str | None
    clause: str | None
    state_before: str
    state_after: str
    applied: bool
    version: int | None
    envelope: str | None
    limit_s: float | None
    used_s: float | None
    detail: dict[str, Any] | None


class History(Shown):
    items: list[RecordShown]
    next: str | None


class ResultFields(Shown):
    kind: str
    outcome: str | None
    variant: str | None
    valid_until: date | None
    document: Annotated[str, Field(description="base64 of the exact bytes")]
    sha256: str
    content: dict[str, Any] | None
    signature: Annotated[str | None, Field(description="base64 of the detached CMS")]
    reasons: list[dict[str, Any]] | None
    issued_at: datetime
    received_at: datetime
    judged: SignatureVerdict | None


def text_shown(text: texts.Text) -> Text:
    return Text(kk=text.kk, ru=text.ru, en=text.en)


def free_fields(regulation: Regulation) -> Title | None:
    """What is said of a form whose fields the act does not print (A15)."""
    return None if application_fields(regulation) else Title(kk=texts.FREE_FIELDS.kk, ru=texts.FREE_FIELDS.ru)


def progress_shown(step: StepSeen) -> ProgressShown:
    share = round(step.used_s / step.limit_s, 4) if step.used_s is not None and step.limit_s else None
    return ProgressShown(
        step=step.item.label,
        type=step.item.type,
        clause=step.item.clause,
        text_ru=step.item.text_ru,
        at=step.at,
        outcome=step.outcome,
        limit_s=step.limit_s,
        used_s=step.used_s,
        share=share,
    )


def attachment_shown(one: Attachment) -> AttachmentShown:
    return AttachmentShown(name=one.name, type=one.type, size=one.size, sha256=one.sha256)


def service_name(case: OriginCase, regulation: Regulation | None) -> ServiceName:
    return ServiceName(
        regulation=case.regulation,
        version=case.regulation_version,
        title_kk=regulation.title_kk if regulation else case.regulation,
        title_ru=regulation.title_ru if regulation else case.regulation,
        region=case.region,
    )


def record_shown(one: StoredRecord) -> RecordShown:
    record = one.record
    return RecordShown(
        at=record.at,
        event=record.event,
        step=record.step,
        clause=record.clause,
        state_before=record.state_before,
        state_after=record.state_after,
        applied=record.applied,
        version=record.version,
        envelope=record.envelope_id,
        limit_s=record.limit_s,
        used_s=record.used_s,
        detail=record.detail,
    )


def history_shown(found: Sequence[StoredRecord], *, more: bool) -> History:
    return History(items=[record_shown(one) for one in found], next=cursor_of(found[-1].id) if more else None)


def result_fields(found: Result) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "outcome": found.outcome,
        "variant": found.variant,
        "valid_until": found.valid_until,
        "document": encoded(found.document),
        "sha256": hashlib.sha256(found.document).hexdigest(),
        "content": read_document(found.document),
        "signature": encoded(found.signature) if found.signature else None,
        "reasons": found.reasons,
        "issued_at": found.issued_at,
        "received_at": found.received_at,
        "judged": verdict_of(found.judged),
    }

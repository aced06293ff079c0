"""What an application looks like from outside, as far as every origin shows it alike."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from egovkit.files import Attachment
from egovlaw.catalogue import Regulation
from egovorigin.api import Shown
from egovorigin.domain.forms import FIELD_NAME, MAX_FIELDS, MAX_ITEMS, MAX_VALUE
from egovorigin.store.cases import OriginCase
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

"""The documents that are signed or printed at the counter: made once as bytes, then stored and forwarded as those."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from egovorigin.domain.files import Attachment


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """Which application of which service a document belongs to."""

    case: str
    regulation: str
    version: int  # of the regulation: a running case keeps the one it began with
    provider: str
    region: str
    channel: str

    def as_data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in CaseFacts.__slots__}


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs: an operator of a centre, with a certificate known by its thumbprint."""

    operator: str
    centre: str
    certificate: str
    at: datetime

    def as_data(self) -> dict[str, Any]:
        return {
            "operator": {"id": self.operator, "centre": self.centre},
            "certificate": self.certificate,
            "prepared_at": stamp(self.at),
        }


@dataclass(frozen=True, slots=True)
class Application:
    """What the consumer asks for, as the operator entered it."""

    iin: str
    representative: Mapping[str, Any] | None
    form: Mapping[str, Any]
    papers: Sequence[Mapping[str, Any]]
    attachments: Sequence[Attachment]


def application_bytes(facts: CaseFacts, application: Application, signing: Signing) -> bytes:
    return document_bytes(
        {
            "kind": "application",
            **facts.as_data(),
            "applicant": {"iin": application.iin},
            "representative": application.representative,
            "form": dict(application.form),
            "papers": list(application.papers),
            "attachments": [one.as_data() for one in application.attachments],
            **signing.as_data(),
        }
    )


def hand_over_bytes(
    facts: CaseFacts,
    signing: Signing,
    *,
    number: str,
    status_version: int,
    result: str,
    received_by: Mapping[str, str],
) -> bytes:
    """The record of the hand-over. `result`: SHA-256 of the result document that was handed over."""
    return document_bytes(
        {
            "kind": "hand-over",
            **facts.as_data(),
            "number": number,
            "status_version": status_version,
            "result_sha256": result,
            "received_by": dict(received_by),
            **signing.as_data(),
        }
    )


def document_bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def read_document(document: bytes) -> dict[str, Any] | None:
    """A document of the provider as data for the page; None when it is not one JSON object."""
    try:
        body = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def reasons_in(content: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The reasons of a signed refusal, which stand in the document alone."""
    said = (content or {}).get("reasons")
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


def day_of(content: Mapping[str, Any] | None, name: str) -> date | None:
    """A day the provider's document names; None when it names none that is one."""
    value = (content or {}).get(name)
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds and Z, as in envelopes."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

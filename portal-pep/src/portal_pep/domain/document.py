"""The documents a person signs: made once as bytes, then stored and forwarded as those bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from egovorigin.domain.files import Attachment


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    case: str
    regulation: str
    version: int  # of the regulation: a running case keeps the one it began with
    provider: str
    region: str
    channel: str
    iin: str
    certificate: str  # thumbprint of the certificate the applicant chose
    prepared_at: datetime


def application_bytes(facts: ApplicationFacts, form: Mapping[str, Any], attachments: Sequence[Attachment]) -> bytes:
    return document_bytes(
        {
            "kind": "application",
            "case": facts.case,
            "regulation": facts.regulation,
            "version": facts.version,
            "provider": facts.provider,
            "region": facts.region,
            "channel": facts.channel,
            "applicant": {"iin": facts.iin},
            "form": dict(form),
            "attachments": [one.as_data() for one in attachments],
            "certificate": facts.certificate,
            "prepared_at": stamp(facts.prepared_at),
        }
    )


def confirmation_bytes(*, account: str, iin: str, nonce: str, at: datetime) -> bytes:
    """What a person signs once to show that the account is his (E5); the nonce makes an old signature useless."""
    return document_bytes(
        {"kind": "account-confirmation", "account": account, "iin": iin, "nonce": nonce, "at": stamp(at)}
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

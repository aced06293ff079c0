"""The documents that are signed or printed at the counter: made once as bytes, then stored and forwarded as those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.files import Attachment
from egovorigin.domain.document import document_bytes, stamp


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

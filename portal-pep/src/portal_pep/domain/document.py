"""The documents a person signs: made once as bytes, then stored and forwarded as those bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.files import Attachment
from egovorigin.domain.document import document_bytes, stamp


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
    co_signers: Mapping[str, str]  # ИИН by role, of those who sign with him


def application_bytes(facts: ApplicationFacts, form: Mapping[str, Any], attachments: Sequence[Attachment]) -> bytes:
    named = [{"role": role, "iin": iin} for role, iin in sorted(facts.co_signers.items())]
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
            **({"co_signers": named} if named else {}),
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

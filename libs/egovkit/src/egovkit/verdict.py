"""A kept verdict on a document's signature as APIs show it: `DocumentFacts.as_data()`, word for word.

What is shown was written when the signature was judged. Whoever wants to know how it stands today asks to have it
verified, which is another question with another answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["SignatureVerdict", "verdict_of"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignedBy(_Part):
    """Whose certificate it was. `certificate`: its thumbprint (`x5t#S256`)."""

    name: str
    bin: str | None
    certificate: str
    serial: str
    issuer: str
    not_before: datetime
    not_after: datetime


class RevocationWord(_Part):
    """The word that decided whether the certificate was revoked. `source`: ocsp or crl; `answer`: the OCSP answer
    itself, DER in base64."""

    source: str
    this_update: datetime
    next_update: datetime
    produced_at: datetime | None
    revoked_at: datetime | None
    reason: str | None
    responder: str | None
    answer: str | None


class StampSeen(_Part):
    """The time stamp over the signature: its moment, its number and who gave it."""

    moment: datetime
    serial: str
    certificate: str


class CheckMade(_Part):
    """A numbered check (docs/reference/signatures.md). `code` is null when it held; `fact`: what was seen."""

    number: int
    name: str
    code: str | None
    fact: str


class SignatureVerdict(_Part):
    """What was known about a signature when it was judged: kept then, and never found out again.

    `verdict` is "accepted" or the code of the first check that failed; `document` the SHA-256 of the signed bytes;
    `judged_at` the moment it was judged for; `chain` the authorities above the certificate, up to the trusted `root`;
    `ocsp` why there was no OCSP answer.
    """

    level: str
    verdict: str
    document: str
    checked_at: datetime
    judged_at: datetime
    claimed_at: datetime | None
    signer: SignedBy
    chain: list[str]
    root: str | None
    revocation: RevocationWord | None
    revocation_age_s: int | None
    ocsp: str | None
    stamp: StampSeen | None
    checks: list[CheckMade]


def verdict_of(kept: Mapping[str, Any] | None) -> SignatureVerdict | None:
    """The verdict as it was kept; None where nothing was judged."""
    return None if kept is None else SignatureVerdict.model_validate(kept)

"""What an authority says about one certificate's revocation, whichever way it says it, and how old the word is."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

__all__ = ["SKEW", "RevocationStatus", "newest"]

SKEW = timedelta(seconds=5)  # clocks of two systems differ


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """One word about one certificate; whole seconds.

    source       "ocsp" or "crl"
    this_update  when the authority knew it to be so; next_update until when it may be relied on
    produced_at  when an OCSP answer was signed; None for a list
    revoked_at   since when it is revoked or on hold; None while it is good
    reason       the authority's reason, as RFC 5280 writes it ("keyCompromise", "certificateHold"); None unsaid
    responder    `x5t#S256` of who signed an OCSP answer; None for a list
    answer       the OCSP answer itself, DER, as evidence; None for a list, which everybody can still ask for
    """

    source: Literal["ocsp", "crl"]
    this_update: datetime
    next_update: datetime
    revoked_at: datetime | None = None
    produced_at: datetime | None = None
    reason: str | None = None
    responder: str | None = None
    answer: bytes | None = field(default=None, repr=False)

    def speaks(self, at: datetime) -> bool:
        """Whether it may be relied on at `at`."""
        return at <= self.next_update

    def revoked(self, moment: datetime) -> bool:
        """Whether the certificate was revoked at `moment`."""
        return self.revoked_at is not None and self.revoked_at <= moment

    def age(self, at: datetime) -> timedelta:
        """How old the word is: never less than nothing, clocks of two systems differ."""
        return max(at - self.this_update, timedelta(0))

    def as_data(self) -> dict[str, Any]:
        """For JSON; moments in ISO 8601, the answer in base64."""
        moments = {
            "this_update": self.this_update,
            "next_update": self.next_update,
            "produced_at": self.produced_at,
            "revoked_at": self.revoked_at,
        }
        told = {name: None if one is None else one.isoformat() for name, one in moments.items()}
        answer = None if self.answer is None else base64.b64encode(self.answer).decode()
        return {"source": self.source, **told, "reason": self.reason, "responder": self.responder, "answer": answer}


def newest(*words: RevocationStatus | None) -> RevocationStatus | None:
    """The youngest word counts; of two of one second the one that says revoked. A kept OCSP answer therefore never
    hides a revocation that a younger list tells of."""
    heard = [one for one in words if one is not None]
    return max(heard, key=lambda one: (one.this_update, one.revoked_at is not None), default=None)

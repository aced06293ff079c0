"""Those whom the applicant names to sign with him (Semey, minors' property, annex 3: "Подпись обоих супругов"; A30)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from egovlaw.catalogue import Regulation
from egovlaw.forms import CoSigner, co_signers


class CoState(StrEnum):
    NAMED = "named"  # by the applicant, who has not signed yet: the co-signer knows of nothing
    WAITING = "waiting"  # the applicant has signed; the co-signer is asked
    SIGNED = "signed"  # over the very bytes the applicant signed
    DECLINED = "declined"  # the applicant has to change the application, or to go without


@dataclass(frozen=True, slots=True)
class CoSignature:
    case_id: str
    role: str
    iin: str
    state: CoState
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    signature: bytes | None = None
    judged: dict[str, Any] | None = None
    reason: str | None = None


def declared(regulation: Regulation, role: str) -> CoSigner | None:
    """The act's word for this co-signer; None where its form asks for none in this role."""
    return next((one for one in co_signers(regulation) if one.role == role), None)


def is_last(found: Sequence[CoSignature], role: str) -> bool:
    """Whether all others have signed."""
    return all(one.state is CoState.SIGNED for one in found if one.role != role)

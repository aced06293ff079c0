"""The state machine of an application as the portal sees it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from egovorigin.domain.states import Course


class CaseState(StrEnum):
    DRAFT = "draft"  # the service is chosen; the form and the copies are being filled in
    PREPARED = "prepared"  # the certificate is good; the document to sign is fixed, byte by byte
    CO_SIGNING = "co_signing"  # signed by the applicant; those he named to sign with him have yet to
    SIGNATURE_REFUSED = "signature_refused"  # ended: the certificate could not be confirmed
    SUBMITTED = "submitted"  # signed and handed to the outbox; ШЭП has not answered yet
    ACCEPTED = "accepted"  # ШЭП took responsibility; the provider has not registered it yet
    GATEWAY_REFUSED = "gateway_refused"  # a gateway refused the envelope; may be prepared and sent again
    GATEWAY_CLOSED = "gateway_closed"  # ended: a gateway refused it for a reason no repetition can cure
    REGISTERED = "registered"  # has a number; the provider owns the case from here
    PAUSED = "paused"  # the provider stopped the term of the service
    REFUSED = "refused"  # ended: the provider's reasoned refusal
    COMPLETED = "completed"  # ended: the result is here, signed by the provider's authorised person


class CaseEvent(StrEnum):
    """What people do with it; what the bus tells is a `BusEvent`."""

    EDITED = "edited"
    PREPARED = "prepared"
    CERTIFICATE_REFUSED = "certificate_refused"
    APPLICANT_SIGNED = "applicant_signed"
    SUBMITTED = "submitted"


S, E = CaseState, CaseEvent

COURSE: Final = Course(
    submitted=S.SUBMITTED,
    accepted=S.ACCEPTED,
    sent_back=S.GATEWAY_REFUSED,
    closed=S.GATEWAY_CLOSED,
    registered=S.REGISTERED,
    paused=S.PAUSED,
    refused=S.REFUSED,
    completed=S.COMPLETED,
)

TRANSITIONS: Final[Mapping[tuple[CaseState, StrEnum], CaseState]] = MappingProxyType(
    {
        (S.DRAFT, E.EDITED): S.DRAFT,
        (S.DRAFT, E.PREPARED): S.PREPARED,
        (S.DRAFT, E.CERTIFICATE_REFUSED): S.SIGNATURE_REFUSED,
        # Changing a prepared application makes its document void: it has to be prepared again.
        (S.PREPARED, E.EDITED): S.DRAFT,
        (S.PREPARED, E.PREPARED): S.PREPARED,
        (S.PREPARED, E.CERTIFICATE_REFUSED): S.SIGNATURE_REFUSED,
        (S.PREPARED, E.SUBMITTED): S.SUBMITTED,
        (S.PREPARED, E.APPLICANT_SIGNED): S.CO_SIGNING,
        # Other bytes have to be signed by all anew.
        (S.CO_SIGNING, E.EDITED): S.DRAFT,
        (S.CO_SIGNING, E.PREPARED): S.PREPARED,
        (S.CO_SIGNING, E.CERTIFICATE_REFUSED): S.SIGNATURE_REFUSED,
        (S.CO_SIGNING, E.SUBMITTED): S.SUBMITTED,
        (S.GATEWAY_REFUSED, E.EDITED): S.GATEWAY_REFUSED,
        (S.GATEWAY_REFUSED, E.PREPARED): S.PREPARED,
        (S.GATEWAY_REFUSED, E.CERTIFICATE_REFUSED): S.SIGNATURE_REFUSED,
        **COURSE.transitions(),
    }
)

ENDED: Final = frozenset({S.SIGNATURE_REFUSED, S.GATEWAY_CLOSED, S.REFUSED, S.COMPLETED})
EDITABLE: Final = frozenset(before for before, event in TRANSITIONS if event is E.EDITED)


def after(state: CaseState, event: StrEnum) -> CaseState | None:
    """The state after the event; None when the event means nothing in this state."""
    return TRANSITIONS.get((state, event))

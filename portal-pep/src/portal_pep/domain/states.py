"""The state machine of an application as the portal sees it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


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
    EDITED = "edited"
    PREPARED = "prepared"
    CERTIFICATE_REFUSED = "certificate_refused"
    APPLICANT_SIGNED = "applicant_signed"
    SUBMITTED = "submitted"
    GATEWAY_ACCEPTED = "gateway_accepted"
    GATEWAY_REFUSED = "gateway_refused"
    GATEWAY_CLOSED = "gateway_closed"
    REGISTERED = "registered"
    STATUS = "status"
    EXTENDED = "extended"
    PAUSED = "paused"
    RESUMED = "resumed"
    REFUSED = "refused"
    COMPLETED = "completed"


POSITIVE: Final = "positive"  # a result may also be the reasoned answer of refusal: negative

S, E = CaseState, CaseEvent

# What the owner says of a case he has not ended. Messages may overtake one another, so each is possible at once.
_FACTS: Final[Mapping[CaseEvent, CaseState]] = {
    E.REGISTERED: S.REGISTERED,
    E.STATUS: S.REGISTERED,
    E.EXTENDED: S.REGISTERED,
    E.PAUSED: S.PAUSED,
    E.RESUMED: S.REGISTERED,
    E.REFUSED: S.REFUSED,
    E.COMPLETED: S.COMPLETED,
}

# From the first sending on the provider's word decides, whatever the gateways have said meanwhile.
_SENT: Final = (S.SUBMITTED, S.ACCEPTED, S.GATEWAY_REFUSED, S.REGISTERED, S.PAUSED)

TRANSITIONS: Final[Mapping[tuple[CaseState, CaseEvent], CaseState]] = MappingProxyType(
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
        (S.SUBMITTED, E.GATEWAY_ACCEPTED): S.ACCEPTED,
        (S.SUBMITTED, E.GATEWAY_REFUSED): S.GATEWAY_REFUSED,
        (S.SUBMITTED, E.GATEWAY_CLOSED): S.GATEWAY_CLOSED,
        # ШЭП accepted and the regional gateway refused: the later hop's word counts.
        (S.ACCEPTED, E.GATEWAY_REFUSED): S.GATEWAY_REFUSED,
        (S.ACCEPTED, E.GATEWAY_CLOSED): S.GATEWAY_CLOSED,
        (S.GATEWAY_REFUSED, E.EDITED): S.GATEWAY_REFUSED,
        (S.GATEWAY_REFUSED, E.PREPARED): S.PREPARED,
        (S.GATEWAY_REFUSED, E.CERTIFICATE_REFUSED): S.SIGNATURE_REFUSED,
        **{(before, event): after for before in _SENT for event, after in _FACTS.items()},
        # A paused case may be told things without being resumed.
        (S.PAUSED, E.STATUS): S.PAUSED,
        (S.PAUSED, E.EXTENDED): S.PAUSED,
        # After the end the provider may still tell how the result is handed over; that changes nothing.
        (S.COMPLETED, E.STATUS): S.COMPLETED,
        (S.REFUSED, E.STATUS): S.REFUSED,
    }
)

ENDED: Final = frozenset({S.SIGNATURE_REFUSED, S.GATEWAY_CLOSED, S.REFUSED, S.COMPLETED})
EDITABLE: Final = frozenset(before for before, event in TRANSITIONS if event is E.EDITED)

# Refusals no repetition can cure; every other refusal of a gateway leaves the application to be sent again.
_FOR_GOOD: Final = frozenset({"order.case_ended", "order.step_not_allowed"})
_FOR_GOOD_AREAS: Final = frozenset({"route"})


def after(state: CaseState, event: CaseEvent) -> CaseState | None:
    """The state after the event; None when the event means nothing in this state."""
    return TRANSITIONS.get((state, event))


def may_send_again(code: str) -> bool:
    """Whether an application refused by a gateway with this code may be prepared and sent once more.

    A late, unverifiable or unroutable-for-now envelope may; an envelope the regulation has no place for may not.
    """
    return code not in _FOR_GOOD and code.split(".", 1)[0] not in _FOR_GOOD_AREAS


def is_newer(version: int, known: int) -> bool:
    """The owner numbers his statuses; what is not newer is remembered and not applied."""
    return version > known

"""The state machine of an application as the centre sees it, and that of one question to a register."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from egovorigin.domain.states import BusEvent, Course


class CaseState(StrEnum):
    OPENED = "opened"  # the service is chosen; nobody has been entered yet
    CONSUMER_ENTERED = "consumer_entered"  # the consumer, and who speaks for him, are known by number
    DATA_REQUESTED = "data_requested"  # the registers are asked; not every needed answer is here
    DATA_CHECKED = "data_checked"  # the registers know him; the form is filled in, papers are scanned
    PREPARED = "prepared"  # the operator's certificate is good; the document to sign is fixed, byte by byte
    SUBMITTED = "submitted"  # signed and handed to the outbox; ШЭП has not answered yet
    ACCEPTED = "accepted"  # ШЭП took responsibility; the provider has not registered it yet
    REJECTED = "rejected"  # a gateway refused the envelope; may be prepared and sent again
    GATEWAY_CLOSED = "gateway_closed"  # ended: a gateway refused it for a reason no repetition can cure
    REGISTERED = "registered"  # has a number; the provider owns the case from here
    PAUSED = "paused"  # the provider stopped the term of the service
    REFUSED = "refused"  # ended: the provider's reasoned refusal
    COMPLETED = "completed"  # the result is here and waits at the counter
    HANDED_OVER = "handed_over"  # ended: the result was handed over, with a record
    NO_DATA = "no_data"  # ended: a register has no data of the consumer or of the power of attorney (A9)
    ACCEPTANCE_REFUSED = "acceptance_refused"  # ended: the package was not accepted at the counter (E10)


class CaseEvent(StrEnum):
    """What people do with it; what the bus tells is a `BusEvent`."""

    CONSUMER_ENTERED = "consumer_entered"
    ASKED = "asked"
    DATA_IN_ORDER = "data_in_order"
    DATA_MISSING = "data_missing"
    EDITED = "edited"
    PREPARED = "prepared"
    SUBMITTED = "submitted"
    HANDED_OVER = "handed_over"
    HAND_OVER_REFUSED = "hand_over_refused"  # a gateway did not take the record: of a result
    LETTER_NOT_TAKEN = "letter_not_taken"  # the same, of a refusal
    ACCEPTANCE_REFUSED = "acceptance_refused"


S, E = CaseState, CaseEvent

COURSE: Final = Course(
    submitted=S.SUBMITTED,
    accepted=S.ACCEPTED,
    sent_back=S.REJECTED,
    closed=S.GATEWAY_CLOSED,
    registered=S.REGISTERED,
    paused=S.PAUSED,
    refused=S.REFUSED,
    completed=S.COMPLETED,
)

# Nothing has been sent yet.
_AT_THE_COUNTER: Final = (S.OPENED, S.CONSUMER_ENTERED, S.DATA_REQUESTED, S.DATA_CHECKED, S.PREPARED)

TRANSITIONS: Final[Mapping[tuple[CaseState, StrEnum], CaseState]] = MappingProxyType(
    {
        # The applicant stays who he is; the power of attorney may be another one than an hour ago.
        **{(before, E.CONSUMER_ENTERED): S.CONSUMER_ENTERED for before in _AT_THE_COUNTER},
        (S.CONSUMER_ENTERED, E.ASKED): S.DATA_REQUESTED,
        (S.DATA_REQUESTED, E.ASKED): S.DATA_REQUESTED,
        # The registers are asked anew: a power of attorney may have run out while papers were scanned.
        (S.DATA_CHECKED, E.ASKED): S.DATA_REQUESTED,
        (S.PREPARED, E.ASKED): S.DATA_REQUESTED,
        # Where the act has no step of attaching and signing, the form is filled in before the registers are asked.
        (S.CONSUMER_ENTERED, E.EDITED): S.CONSUMER_ENTERED,
        (S.DATA_REQUESTED, E.DATA_IN_ORDER): S.DATA_CHECKED,
        (S.DATA_REQUESTED, E.DATA_MISSING): S.NO_DATA,
        (S.DATA_CHECKED, E.EDITED): S.DATA_CHECKED,
        (S.DATA_CHECKED, E.PREPARED): S.PREPARED,
        # Changing a prepared application makes its document void: it has to be prepared again.
        (S.PREPARED, E.EDITED): S.DATA_CHECKED,
        (S.PREPARED, E.PREPARED): S.PREPARED,
        (S.PREPARED, E.SUBMITTED): S.SUBMITTED,
        (S.REJECTED, E.EDITED): S.REJECTED,
        # As at the counter: a power of attorney may have run out since.
        (S.REJECTED, E.CONSUMER_ENTERED): S.CONSUMER_ENTERED,
        (S.REJECTED, E.ASKED): S.DATA_REQUESTED,
        (S.REJECTED, E.PREPARED): S.PREPARED,
        **COURSE.transitions(),
        (S.COMPLETED, E.HANDED_OVER): S.HANDED_OVER,
        (S.HANDED_OVER, BusEvent.STATUS): S.HANDED_OVER,
        # A gateway did not take the record: it is signed and sent again.
        (S.HANDED_OVER, E.HAND_OVER_REFUSED): S.COMPLETED,
        # D17: only where the act's flow goes on after the refusal (`has_ended`).
        (S.REFUSED, E.HANDED_OVER): S.HANDED_OVER,
        (S.HANDED_OVER, E.LETTER_NOT_TAKEN): S.REFUSED,
        # E10: the package was looked through before the flow began; the operator says that it is not complete.
        (S.OPENED, E.ACCEPTANCE_REFUSED): S.ACCEPTANCE_REFUSED,
        (S.CONSUMER_ENTERED, E.ACCEPTANCE_REFUSED): S.ACCEPTANCE_REFUSED,
    }
)

ENDED: Final = frozenset({S.GATEWAY_CLOSED, S.REFUSED, S.HANDED_OVER, S.NO_DATA, S.ACCEPTANCE_REFUSED})
EDITABLE: Final = frozenset(before for before, event in TRANSITIONS if event is E.EDITED)


class QueryState(StrEnum):
    WAITING = "waiting"  # asked; the act's limit has not run out
    EXPIRED = "expired"  # asked, no answer by the limit (E1); never stored, it follows from the time
    ANSWERED = "answered"  # answered in time, and the answer counts
    LATE_ANSWER = "late_answer"  # answered after the limit: recorded and not applied (E1)
    UNUSABLE = "unusable"  # answered with something that is no answer to this question (E1)
    REFUSED = "refused"  # a gateway did not take the question
    SUPERSEDED = "superseded"  # asked again, or not needed any more, before an answer came


# A question in one of these may be asked again; in the first two an answer may still come.
REPEATABLE: Final = frozenset(
    {
        QueryState.EXPIRED,
        QueryState.SUPERSEDED,
        QueryState.LATE_ANSWER,
        QueryState.UNUSABLE,
        QueryState.REFUSED,
    }
)


def after(state: CaseState, event: StrEnum) -> CaseState | None:
    """The state after the event; None when the event means nothing in this state."""
    return TRANSITIONS.get((state, event))


def has_ended(state: CaseState, *, refusal_is_handed_over: bool) -> bool:
    """A refusal ends the case, unless the act has it handed over like a result."""
    return state in ENDED and not (state is S.REFUSED and refusal_is_handed_over)

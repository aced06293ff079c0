"""What the bus tells of a case and what it means at any origin; what people do before the sending is the origin's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

S = TypeVar("S", bound=StrEnum)

POSITIVE: Final = "positive"  # a result may also be the reasoned answer of refusal: negative

# Refusals no repetition can cure; every other refusal of a gateway leaves the application to be sent again.
_FOR_GOOD: Final = frozenset({"order.case_ended", "order.step_not_allowed"})
_FOR_GOOD_AREAS: Final = frozenset({"route"})


class BusEvent(StrEnum):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Course(Generic[S]):
    """An origin's own states from the sending on."""

    submitted: S
    accepted: S
    sent_back: S  # a gateway refused the envelope; it may be prepared and sent again
    closed: S  # a gateway refused it for a reason no repetition can cure
    registered: S
    paused: S
    refused: S
    completed: S

    def transitions(self) -> dict[tuple[S, StrEnum], S]:
        """What the bus tells may overtake itself, so each fact of the owner is possible at once: from the first sending
        on his word decides, whatever the gateways have said meanwhile."""
        e = BusEvent
        facts = {
            e.REGISTERED: self.registered,
            e.STATUS: self.registered,
            e.EXTENDED: self.registered,
            e.PAUSED: self.paused,
            e.RESUMED: self.registered,
            e.REFUSED: self.refused,
            e.COMPLETED: self.completed,
        }
        sent = (self.submitted, self.accepted, self.sent_back, self.registered, self.paused)
        return {
            (self.submitted, e.GATEWAY_ACCEPTED): self.accepted,
            (self.submitted, e.GATEWAY_REFUSED): self.sent_back,
            (self.submitted, e.GATEWAY_CLOSED): self.closed,
            # ШЭП accepted and the regional gateway refused: the later hop's word counts.
            (self.accepted, e.GATEWAY_REFUSED): self.sent_back,
            (self.accepted, e.GATEWAY_CLOSED): self.closed,
            **{(before, event): after for before in sent for event, after in facts.items()},
            # A paused case may be told things without being resumed.
            (self.paused, e.STATUS): self.paused,
            (self.paused, e.EXTENDED): self.paused,
            # After the end the provider may still tell how the result is handed over; that changes nothing.
            (self.completed, e.STATUS): self.completed,
            (self.refused, e.STATUS): self.refused,
        }


def may_send_again(code: str) -> bool:
    """Whether an application refused by a gateway with this code may be prepared and sent once more.

    A late, unverifiable or unroutable-for-now envelope may; an envelope the regulation has no place for may not.
    """
    return code not in _FOR_GOOD and code.split(".", 1)[0] not in _FOR_GOOD_AREAS


def is_newer(version: int, known: int) -> bool:
    """The owner numbers his statuses; what is not newer is remembered and not applied."""
    return version > known

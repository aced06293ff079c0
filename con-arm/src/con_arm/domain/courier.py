"""The courier between a district branch and the centre: a term of its own (D15), measured and reported (E10)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from con_arm.domain.states import CaseState
from con_arm.domain.steps import centre_channel
from egovlaw.catalogue import Regulation, ServiceTerm


class CourierState(StrEnum):
    DISPATCHED = "dispatched"  # the papers left the branch; the term of the courier runs
    ARRIVED = "arrived"  # ended: they are where they were sent


class CourierEvent(StrEnum):
    DISPATCH = "dispatch"
    ARRIVE = "arrive"


COURIER_TRANSITIONS: Final[Mapping[tuple[CourierState | None, CourierEvent], CourierState]] = MappingProxyType(
    {
        (None, CourierEvent.DISPATCH): CourierState.DISPATCHED,
        (CourierState.DISPATCHED, CourierEvent.ARRIVE): CourierState.ARRIVED,
    }
)

# The papers go on once the application was sent, and while it is with the provider.
CARRIED: Final = frozenset({CaseState.SUBMITTED, CaseState.ACCEPTED, CaseState.REGISTERED, CaseState.PAUSED})


def courier_term(regulation: Regulation) -> ServiceTerm | None:
    """What the act says of the courier in its channel of the counter; None where it says nothing."""
    channel = centre_channel(regulation)
    own = None if channel is None else channel.code
    return next((term for term in regulation.terms if term.kind == "courier" and term.channel in (None, own)), None)

"""What an application waits for, as far as the portal can tell: whose turn it is, and at which step of the act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from egovlaw.catalogue import Branch, Channel, FlowItem
from portal_pep.domain.states import ENDED, CaseState
from portal_pep.domain.steps import PortalFlow


class Turn(StrEnum):
    APPLICANT = "applicant"
    CO_SIGNER = "co_signer"
    GATEWAY = "gateway"
    PROVIDER = "provider"


S = CaseState

TURNS: Final[Mapping[CaseState, Turn]] = MappingProxyType(
    {
        S.DRAFT: Turn.APPLICANT,
        S.PREPARED: Turn.APPLICANT,
        S.GATEWAY_REFUSED: Turn.APPLICANT,
        S.CO_SIGNING: Turn.CO_SIGNER,
        S.SUBMITTED: Turn.GATEWAY,
        S.ACCEPTED: Turn.PROVIDER,
        S.REGISTERED: Turn.PROVIDER,
        S.PAUSED: Turn.PROVIDER,
    }
)


@dataclass(frozen=True, slots=True)
class Awaited:
    turn: Turn
    item: FlowItem | None  # None: the step the owner named is not in this flow


def awaited(state: CaseState, step: str | None, flow: PortalFlow) -> Awaited | None:
    """None when the application has ended. `step` is the one the last message named."""
    if state in ENDED:
        return None
    match state:
        case S.DRAFT | S.GATEWAY_REFUSED:
            item: FlowItem | None = flow.choose_and_fill
        case S.PREPARED:
            item = flow.send if flow.checks_before_signing else flow.sign
        case S.CO_SIGNING | S.SUBMITTED:
            item = flow.send
        case S.ACCEPTED:
            item = _after(flow.channel, flow.send)
        case _:
            reached = flow.channel.item(step) if step else None
            item = None if reached is None else _after(flow.channel, reached)
    return Awaited(TURNS[state], item)


def _after(channel: Channel, item: FlowItem) -> FlowItem | None:
    """The step that follows; after a condition the one a good outcome leads to."""
    label = item.next.ok if isinstance(item.next, Branch) else item.next
    return None if label is None else channel.item(label)

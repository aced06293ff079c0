"""Which steps of a regulation's centre channel are the centre's own, found by step kind: no label is known here. The
public service centres and the State Corporation have channels of different codes and one kind of origin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from egovlaw.catalogue import Channel, Event, FlowItem, Limit, Regulation
from egovlaw.limits import GRACE_S
from egovorigin.domain.steps import LocalFlow, item_of

CENTRE: Final = "centre"  # the kind of origin, whatever the channel's code
GRACE: Final = timedelta(seconds=GRACE_S)  # clocks of two systems differ

_QUERY: Final = "query."


@dataclass(frozen=True, slots=True)
class CentreFlow(LocalFlow):
    """The steps of one regulation's centre channel that are done at the counter, and where they lead."""

    authenticate: FlowItem
    choose_and_fill: FlowItem
    query: FlowItem
    check_registers: FlowItem
    report_no_data: FlowItem
    send: FlowItem
    hand_over: FlowItem
    visit: FlowItem | None  # the papers are shown before anything is entered
    attach_and_sign: FlowItem | None  # None where the operator signs in the step that sends
    refuse: FlowItem | None

    @property
    def registers(self) -> tuple[str, ...]:
        """The registers the act has asked, by their names in messages; the first one is always asked."""
        names = dict.fromkeys((*self.query.entering, *self.query.standing))
        return tuple(name.removeprefix(_QUERY) for name in names if name.startswith(_QUERY))

    @property
    def before_query(self) -> tuple[str, ...]:
        """The local steps that lead to the question: its trail."""
        return _labels(self.visit, self.authenticate, self.choose_and_fill)

    @property
    def after_query(self) -> tuple[str, ...]:
        """The local steps between the question and the sending; taken anew when the registers are asked anew."""
        return _labels(self.check_registers, self.attach_and_sign)

    @property
    def fills_before_query(self) -> bool:
        """Where nothing is attached and signed in a step of its own, the form is filled in before the registers are
        asked: what follows their answers is the sending."""
        return self.attach_and_sign is None

    @property
    def refusal_is_handed_over(self) -> bool:
        """D17: the Corporation hands over what the provider refused, too."""
        return self.refuse is not None and self.hand_over.label in self.refuse.successors


def centre_flow(regulation: Regulation) -> CentreFlow | None:
    """None when the regulation is not given through centres, or its flow lacks a step the centre can do."""
    channel = centre_channel(regulation)
    if channel is None or not channel.has_flow:
        return None
    kinds = (
        "authenticate",
        "choose_and_fill",
        "query_registers",
        "check_registers",
        "report_no_data",
        "send",
        "hand_over",
    )
    found = [item for kind in kinds if (item := item_of(channel, kind)) is not None]
    if len(found) < len(kinds):
        return None
    optional = [item_of(channel, kind) for kind in ("visit", "attach_and_sign", "refuse_documents")]
    return CentreFlow(channel, *found, *optional)


def centre_channel(regulation: Regulation) -> Channel | None:
    """The channel that begins at a counter, with or without a flow of its own (A36)."""
    return next((one for one in regulation.channels.values() if one.origin_kind == CENTRE), None)


def refusal_is_handed_over(regulation: Regulation) -> bool:
    flow = centre_flow(regulation)
    return flow is not None and flow.refusal_is_handed_over


def may_refuse_acceptance(regulation: Regulation, channel: Channel) -> bool:
    """E10: whether the act knows a receipt of refusal to accept an incomplete package in this channel."""
    setting = regulation.settings.get("refusal_to_accept")
    return setting is not None and channel.code in setting.value


def _labels(*items: FlowItem | None) -> tuple[str, ...]:
    return tuple(item.label for item in items if item is not None)


def query_limit(flow: CentreFlow, register: str) -> Limit | None:
    """The limit of the question to this register: the table gives one per register."""
    asked = _QUERY + register
    for limit in flow.channel.limits:
        if limit.label == flow.query.label and limit.starts_on == Event("message", asked):
            return limit
    return None


def is_late(asked_at: datetime, limit_s: float | None, came_at: datetime) -> bool:
    """E1: whether what came at this moment came after the act's limit."""
    return limit_s is not None and came_at > asked_at + timedelta(seconds=limit_s) + GRACE

"""Which steps of a regulation's centre channel are the centre's own, found by step kind: no label is known here. The
public service centres and the State Corporation have channels of different codes and one kind of origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from egovlaw.catalogue import Channel, Event, FlowItem, Limit, Regulation
from egovlaw.limits import GRACE_S

CENTRE: Final = "centre"  # the kind of origin, whatever the channel's code
GRACE: Final = timedelta(seconds=GRACE_S)  # clocks of two systems differ

_QUERY: Final = "query."

Outcome = Literal["done", "ok", "violation"]
Moment = tuple[str, Literal["begin", "end"]]  # of a step, by label


@dataclass(frozen=True, slots=True)
class CentreFlow:
    """The steps of one regulation's centre channel that are done at the counter, and where they lead."""

    channel: Channel
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

    def state_before(self, item: FlowItem) -> str:
        """The word for where a case stands before the item: the state of the item that leads to it."""
        for other in self.channel.flow:
            if item.label in other.successors and other.type != "precondition":
                return other.kind.state
        return "new"


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


def item_of(channel: Channel, kind: str) -> FlowItem | None:
    return next((item for item in channel.flow if item.kind.name == kind), None)


def limit_of(channel: Channel, item: FlowItem) -> Limit | None:
    """The limit of one step, as the channel's table gives it."""
    return next((limit for limit in channel.limits if limit.label == item.label), None)


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


@dataclass(frozen=True, slots=True)
class Used:
    """What a step had and took, in seconds; None where the act gives nothing or nobody saw the beginning."""

    limit_s: float | None
    used_s: float | None


def used(channel: Channel, item: FlowItem, moments: Mapping[Moment, datetime]) -> Used:
    """The limit of the step and what was used of it, from the moments this system saw."""
    limit = limit_of(channel, item)
    if limit is None:
        return Used(None, None)
    began = started(limit, moments)
    ended = _moment(limit.stops_on, moments) or moments.get((item.label, "end"))
    seconds = None if began is None or ended is None else round(max(0.0, (ended - began).total_seconds()), 3)
    return Used(float(limit.max_s), seconds)


def started(limit: Limit | None, moments: Mapping[Moment, datetime]) -> datetime | None:
    """When the limit began; None when this system did not see it."""
    return None if limit is None else _moment(limit.starts_on, moments)


def deadline(limit: Limit | None, began: datetime) -> datetime | None:
    """The end of a limit: what the envelope carries as its expirytime."""
    return None if limit is None else began + timedelta(seconds=limit.max_s)


def _moment(event: Event, moments: Mapping[Moment, datetime]) -> datetime | None:
    return moments.get((event.name, event.moment)) if event.kind == "step" else None

"""Which steps of a regulation's portal channel are the portal's own, found by step kind: no label is known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from egovlaw.catalogue import Channel, Event, FlowItem, Limit, Regulation

PORTAL: Final = "portal"  # the channel's code, as in envelopes

_SENDING: Final = ("sign_and_send", "send", "send_and_process")
_SIGNING: Final = ("sign", "attach_and_sign")

Outcome = Literal["done", "ok", "violation"]
Moment = tuple[str, Literal["begin", "end"]]  # of a step, by label


@dataclass(frozen=True, slots=True)
class PortalFlow:
    """The local steps of one regulation's portal channel, and where they lead."""

    channel: Channel
    authenticate: FlowItem
    verify_login: FlowItem
    choose_and_fill: FlowItem
    check_certificate: FlowItem
    refuse_signature: FlowItem
    sign: FlowItem | None  # None where signing and sending are one step
    send: FlowItem
    refuse_login: FlowItem | None

    @property
    def checks_before_signing(self) -> bool:
        """A1: some acts check the certificate before signing, some after; the order in the flow is theirs."""
        return self.sign is None or self.check_certificate.n < self.sign.n

    @property
    def retaken(self) -> tuple[str, ...]:
        """The steps that are done anew whenever the application is prepared anew."""
        items = (self.choose_and_fill, self.sign, self.check_certificate)
        return tuple(item.label for item in items if item is not None)

    def state_before(self, item: FlowItem) -> str:
        """The word for where a case stands before the item: the state of the item that leads to it."""
        for other in self.channel.flow:
            if item.label in other.successors and other.type != "precondition":
                return other.kind.state
        return "new"


def portal_flow(regulation: Regulation) -> PortalFlow | None:
    """None when the regulation is not given through the portal, or its flow lacks a step the portal can do."""
    channel = regulation.channels.get(PORTAL)
    if channel is None or not channel.has_flow:
        return None
    send = _first(channel, *_SENDING)
    required = [
        _first(channel, kind)
        for kind in ("authenticate", "verify_login", "choose_and_fill", "check_certificate", "refuse_signature")
    ]
    authenticate, verify, fill, check, refuse = required
    if send is None or authenticate is None or verify is None or fill is None or check is None or refuse is None:
        return None
    return PortalFlow(
        channel=channel,
        authenticate=authenticate,
        verify_login=verify,
        choose_and_fill=fill,
        check_certificate=check,
        refuse_signature=refuse,
        sign=_first(channel, *_SIGNING),
        send=send,
        refuse_login=_first(channel, "refuse_login"),
    )


def login_refusal(regulation: Regulation) -> FlowItem | None:
    """The item that refuses a login for this regulation, for the record of a refused login."""
    channel = regulation.channels.get(PORTAL)
    return None if channel is None else _first(channel, "refuse_login")


def _first(channel: Channel, *kinds: str) -> FlowItem | None:
    return next((item for item in channel.flow if item.kind.name in kinds), None)


def limit_of(channel: Channel, item: FlowItem) -> Limit | None:
    """The limit of one step, as the channel's table gives it."""
    return next((limit for limit in channel.limits if limit.label == item.label), None)


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


def deadline(limit: Limit | None, began: datetime | None, now: datetime) -> datetime | None:
    """The end of a limit: what the envelope carries as its expirytime."""
    return None if limit is None else (began or now) + timedelta(seconds=limit.max_s)


def _moment(event: Event, moments: Mapping[Moment, datetime]) -> datetime | None:
    return moments.get((event.name, event.moment)) if event.kind == "step" else None

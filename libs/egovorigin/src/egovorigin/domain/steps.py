"""The steps an origin does itself, found by step kind, and what they use of their limits: no label is known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from egovlaw.catalogue import Channel, Event, FlowItem, Limit

Outcome = Literal["done", "ok", "violation"]
Moment = tuple[str, Literal["begin", "end"]]  # of a step, by label


@dataclass(frozen=True, slots=True)
class LocalFlow:
    """One origin's part in the flow of a channel; the origin's own class names its steps."""

    channel: Channel

    def state_before(self, item: FlowItem) -> str:
        """The word for where a case stands before the item: the state of the item that leads to it."""
        for other in self.channel.flow:
            if item.label in other.successors and other.type != "precondition":
                return other.kind.state
        return "new"


def item_of(channel: Channel, *kinds: str) -> FlowItem | None:
    """The channel's first item of one of these kinds."""
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


def deadline(limit: Limit | None, began: datetime) -> datetime | None:
    """The end of a limit: what the envelope carries as its expirytime."""
    return None if limit is None else began + timedelta(seconds=limit.max_s)


def _moment(event: Event, moments: Mapping[Moment, datetime]) -> datetime | None:
    return moments.get((event.name, event.moment)) if event.kind == "step" else None

"""The case walked through the act's flow, event by event: what fits, what was left out, what came where it may not.

Linear and explainable: an event that the flow does not lead to here is either ahead (what lies between was left out)
or not (it is out of place). A step left out that turns up later was only out of order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from egovlaw.catalogue import Branch, Channel, FlowItem
from egovlaw.conformance.events import Event
from egovlaw.conformance.report import Deviation


@dataclass(slots=True)
class Walk:
    """`at`: the last step reached; `open`: the labels that may follow."""

    channel: Channel
    at: str | None = None
    open: tuple[str, ...] = ()
    ended: bool = False
    fitting: int = 0
    reached: dict[str, Event] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    left_out: dict[str, tuple[FlowItem, Event]] = field(default_factory=dict)
    retry: frozenset[str] = frozenset()  # what a refused envelope lets the sender do again
    since_told: list[str] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)


def replay(channel: Channel, events: Sequence[Event], refused_at: Sequence[datetime] = ()) -> Walk:
    """`refused_at`: when envelopes of this case were refused; after that its sender may go back to his last steps."""
    walk = Walk(channel, open=entries_of(channel))
    refusals = sorted(refused_at)
    for event in events:
        while refusals and refusals[0] <= event.time:
            refusals.pop(0)
            walk.retry |= frozenset(walk.since_told)
        _take(walk, event)
    return walk


def entries_of(channel: Channel) -> tuple[str, ...]:
    """Where a case may begin: the first item, and what follows it while it is a precondition."""
    found: list[str] = []
    item = channel.flow[0] if channel.flow else None
    while item is not None and item.label not in found:
        found.append(item.label)
        item = channel.item(item.next) if item.type == "precondition" and isinstance(item.next, str) else None
    return tuple(found)


def _take(walk: Walk, event: Event) -> None:
    item = walk.channel.item(event.step)
    if item is None:
        _misplaced(walk, event, None, f"the act's flow has no step {event.step or '-'}")
    elif event.message:
        _message(walk, event, item)
    elif item.label == walk.at and _taken_up(walk.reached[item.label], event):
        walk.fitting += 1
    else:
        _move(walk, event, item)


def _taken_up(sent: Event, event: Event) -> bool:
    """One step of the act that two sides do: who was applied to takes up what was sent to him (act 178, cl. 9 8))."""
    return bool(sent.message) and event.outcome == "done" and event.entries[0].service != sent.entries[0].service


def _message(walk: Walk, event: Event, item: FlowItem) -> None:
    own = event.message in item.entering or event.message in item.standing
    side = any(s.type == event.message and item.label in s.during for s in walk.channel.side_messages)
    if item.label == walk.at and (own or side):
        walk.fitting += 1
    elif side and not own and item.label in walk.open:
        walk.fitting += 1  # told in the middle of a local step, which still has to end
    elif own:
        _move(walk, event, item)
    elif side:
        late = item.label in walk.reached
        _misplaced(walk, event, item, f"{event.message} does not belong here{', the case has gone on' if late else ''}")
    else:
        _misplaced(walk, event, item, f"{event.message} is no message of step {item.label}")
    if own:
        walk.told.add(item.label)
        walk.since_told.clear()
        walk.ended = walk.ended or (_final(item) and item.kind.ends_on in (None, event.message))


def _move(walk: Walk, event: Event, item: FlowItem) -> None:
    if item.label not in walk.open and item.label not in walk.retry:
        between = _between(walk.channel, walk.open, item.label)
        if between is None:
            why = "happened again" if item.label in walk.reached else "cannot follow here"
            _misplaced(walk, event, item, f"{event.name} {why}; expected {' or '.join(walk.open) or 'nothing more'}")
            return
        for label in between:
            walk.left_out[label] = (walk.channel.by_label[label], event)
    following = _following(item, event)
    if following is None:
        walk.deviations.append(
            Deviation("fitness", item.clause, item.label, f"{item.label} cannot end with '{event.outcome}'", event.refs)
        )
    else:
        walk.fitting += 1
    walk.retry -= {item.label}
    walk.since_told.append(item.label)
    walk.reached[item.label] = event
    walk.at, walk.open = item.label, item.successors if following is None else following


def _following(item: FlowItem, event: Event) -> tuple[str, ...] | None:
    if isinstance(item.next, Branch):
        return {"ok": (item.next.ok,), "violation": (item.next.violation,)}.get(event.outcome)
    return item.successors if event.message or event.outcome in ("done", "ok") else None


def _final(item: FlowItem) -> bool:
    return item.outcome != "continue" and item.next is None


def _between(channel: Channel, start: Iterable[str], goal: str) -> list[str] | None:
    """The shortest way that was left out before `goal`; None when the flow does not lead there."""
    ways: dict[str, list[str]] = {label: [label] for label in start}
    waiting = list(ways)
    for label in waiting:  # grows while it is read
        for after in channel.by_label[label].successors:
            if after == goal:
                return ways[label]
            if after not in ways:
                ways[after] = [*ways[label], after]
                waiting.append(after)
    return None


def _misplaced(walk: Walk, event: Event, item: FlowItem | None, text: str) -> None:
    if item is not None and not event.message and item.label in walk.left_out:
        _, before = walk.left_out.pop(item.label)
        text = f"step {item.label} came after {before.name}"
        for clause, step in ((item.clause, item.label), (_clause(walk.channel, before.step), before.step)):
            refs = (*event.refs, *before.refs)
            walk.deviations.append(Deviation("order", clause, step, text, refs))
        return
    clause = item.clause if item else event.entries[0].facts.get("clause")
    walk.deviations.append(Deviation("fitness", str(clause) if clause else None, event.step or "-", text, event.refs))


def _clause(channel: Channel, label: str) -> str | None:
    item = channel.item(label)
    return item.clause if item else None

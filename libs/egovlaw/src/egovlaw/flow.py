"""The order of a case: which message may come next, judged against the flow of its channel. Pure and
free-standing.

A case is seen by the gateways through its messages only. Between two messages lie local steps, and the
later message carries them as its trail; trail and step together must be a path through the act's flow from
where the case stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from egovlaw.catalogue import Branch, Channel, FlowItem
from egovlaw.kinds import message_name

STEP_NOT_ALLOWED = "order.step_not_allowed"
TRAIL_BROKEN = "order.trail_broken"
CASE_ENDED = "order.case_ended"
CASE_UNKNOWN = "order.case_unknown"

LOCAL_REPORT = "steps.reported"  # the only message whose own step is local, so its trail may name that step too


@dataclass(frozen=True, slots=True)
class TrailStep:
    step: str
    outcome: Literal["done", "ok", "violation"]
    at: datetime


@dataclass(frozen=True, slots=True)
class CaseProgress:
    """`position`: the last step a message stood for; None = nothing was seen of the case yet."""

    position: str | None = None
    ended: bool = False


START = CaseProgress()


@dataclass(frozen=True, slots=True)
class AllowedMessage:
    """`type` is the short name (`case.submitted`); `egovlaw.kinds.message_type` gives the full one."""

    type: str
    step: str
    clause: str
    side: bool = False


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    progress: CaseProgress
    state_before: str
    state_after: str
    clause: str


@dataclass(frozen=True, slots=True)
class OrderRefused:
    code: str
    clause: str | None
    expected: tuple[tuple[str, str], ...]
    detail: str
    state: str = "new"
    type: str = ""
    step: str = ""

    @property
    def params(self) -> dict[str, str]:
        """For the problem's text; every placeholder of the `order.*` codes is here."""
        expected = ", ".join(f"{name} ({step})" for name, step in self.expected) or "-"
        return {"type": self.type, "step": self.step, "state": self.state, "expected": expected}


def judge_order(
    channel: Channel, progress: CaseProgress | None, message_type: str, step: str, trail: Sequence[TrailStep]
) -> OrderAccepted | OrderRefused:
    """May this message come now? `progress` None = the gateway has never seen the case."""
    here, name = progress or START, message_name(message_type)
    allowed = allowed_messages(channel, here)
    match = next((m for m in allowed if m.type == name and m.step == step), None)
    if match is None:
        return _refused(channel, here, name, step, _why_not(here, allowed, name))
    if name == LOCAL_REPORT and trail and trail[-1].step == step and trail[-1].outcome == "done":
        trail = trail[:-1]
    broken = _stray(trail) if step == here.position else _walk(channel, here, trail, step)
    if broken is not None:
        return _refused(channel, here, name, step, (TRAIL_BROKEN, broken[0], broken[1]))
    after = _after(channel, here, match)
    return OrderAccepted(after, state_name(channel, here), state_name(channel, after), match.clause)


def allowed_messages(channel: Channel, progress: CaseProgress | None) -> tuple[AllowedMessage, ...]:
    """Every message the flow and its side messages allow from here."""
    return _allowed(channel, progress or START)


def states(channel: Channel) -> tuple[CaseProgress, ...]:
    """Every state a case of this channel can be in as the gateways see it, the start first."""
    found = [START]
    for here in found:  # grows while it is read: a breadth-first walk
        for message in allowed_messages(channel, here):
            after = _after(channel, here, message)
            if after not in found:
                found.append(after)
    return tuple(found)


def state_name(channel: Channel, progress: CaseProgress | None) -> str:
    """The word for a state in journals and traces: `new`, `submitted`, `registered`, `refused`,
    `completed` ...
    """
    item = None if progress is None or progress.position is None else channel.item(progress.position)
    return "new" if item is None else item.kind.state


def entry_labels(channel: Channel) -> tuple[str, ...]:
    """Where a case may begin: the first item, and behind it while it is a precondition (it needn't
    happen).
    """
    labels: list[str] = []
    label: str | None = channel.flow[0].label if channel.flow else None
    while label is not None and label not in labels:
        labels.append(label)
        item = channel.by_label[label]
        label = item.next if item.type == "precondition" and isinstance(item.next, str) else None
    return tuple(labels)


@lru_cache(maxsize=4096)  # channels compare by identity, and a catalogue has a few hundred states in all
def _allowed(channel: Channel, here: CaseProgress) -> tuple[AllowedMessage, ...]:
    found: dict[tuple[str, str], AllowedMessage] = {}

    def add(names: Iterable[str], item: FlowItem, side: bool = False) -> None:
        for name in names:
            found[name, item.label] = AllowedMessage(name, item.label, item.clause, side)

    standing = None if here.position is None else channel.item(here.position)
    if standing is not None:
        add((s.type for s in channel.side_messages if standing.label in s.during), standing, side=True)
        if not here.ended:
            add(standing.standing, standing)
    if not here.ended:
        refused = standing is not None and standing.outcome == "refusal"
        told, local = _ahead(channel, _onward(channel, here))
        for item in local:  # a side message told in the middle of a local step shows that the case has come to it
            add((s.type for s in channel.side_messages if item.label in s.during), item, side=True)
        for item in told:
            # D17: the Corporation hands the refusal over too, and nobody completes a case that was refused
            add(item.standing if refused and item.standing else item.entering, item)
    return tuple(found.values())


def _ahead(channel: Channel, labels: Iterable[str]) -> tuple[list[FlowItem], list[FlowItem]]:
    """The items with a message that local steps alone can lead to, and those local steps."""
    open_labels, seen = list(labels), set[str]()
    told: list[FlowItem] = []
    local: list[FlowItem] = []
    while open_labels:
        label = open_labels.pop(0)
        if label in seen:
            continue
        seen.add(label)
        item = channel.by_label[label]
        if item.entering:
            told.append(item)
        else:
            local.append(item)
            open_labels.extend(item.successors)
    return told, local


def _onward(channel: Channel, here: CaseProgress) -> tuple[str, ...]:
    """Where a case may go from here; a local step it was seen in the middle of still has to end."""
    if here.position is None:
        return entry_labels(channel)
    item = channel.by_label[here.position]
    return item.successors if item.entering else (item.label, *item.successors)


def _walk(channel: Channel, here: CaseProgress, trail: Sequence[TrailStep], step: str) -> tuple[str | None, str] | None:
    """None when trail and step are a path; else the clause that is hurt and what is wrong."""
    reachable = _onward(channel, here)
    for done in trail:
        item = channel.item(done.step)
        if item is None:
            return None, f"{done.step} is no step of this channel"
        if done.step not in reachable:
            return (
                item.clause,
                f"{done.step} cannot follow here; expected {' or '.join(reachable) or 'nothing'}",
            )
        if item.entering:
            return item.clause, f"{done.step} is told by its own message, not by a trail"
        following = _following(item, done.outcome)
        if following is None:
            return item.clause, f"{done.step} cannot end with '{done.outcome}'"
        reachable = following
    if step not in reachable:
        missing = " or ".join(reachable) or "nothing"
        first = channel.item(reachable[0]) if reachable else None
        return (first or channel.by_label[step]).clause, f"the trail stops before {step}; expected {missing}"
    return None


def _following(item: FlowItem, outcome: str) -> tuple[str, ...] | None:
    """The labels that may follow an item that ended so; None = the item cannot end so."""
    if isinstance(item.next, Branch):
        return {"ok": (item.next.ok,), "violation": (item.next.violation,)}.get(outcome)
    return item.successors if outcome == "done" else None


def _stray(trail: Sequence[TrailStep]) -> tuple[str | None, str] | None:
    return (None, f"no local steps belong to this message, found {trail[0].step}") if trail else None


def _after(channel: Channel, here: CaseProgress, message: AllowedMessage) -> CaseProgress:
    if not message.side:
        return _reached(channel.by_label[message.step], message.type)
    return here if message.step == here.position else CaseProgress(message.step)


def _reached(item: FlowItem, name: str) -> CaseProgress:
    final = item.outcome != "continue" and item.next is None
    return CaseProgress(item.label, final and item.kind.ends_on in (None, name))


def _why_not(here: CaseProgress, allowed: Sequence[AllowedMessage], name: str) -> tuple[str, str | None, str]:
    if here.ended:
        return CASE_ENDED, None, "the case has ended"
    if here.position is None and all(m.type != name for m in allowed):
        return CASE_UNKNOWN, None, "no case begins with this message"
    return STEP_NOT_ALLOWED, None, "the flow does not lead here from where the case stands"


def _refused(
    channel: Channel, here: CaseProgress, name: str, step: str, why: tuple[str, str | None, str]
) -> OrderRefused:
    code, clause, detail = why
    asked = channel.item(step)
    return OrderRefused(
        code=code,
        clause=clause or (asked.clause if asked else _clause_here(channel, here)),
        expected=tuple((m.type, m.step) for m in allowed_messages(channel, here)),
        detail=detail,
        state=state_name(channel, here),
        type=name,
        step=step,
    )


def _clause_here(channel: Channel, here: CaseProgress) -> str | None:
    item = None if here.position is None else channel.item(here.position)
    return item.clause if item else (channel.clauses[0] if channel.clauses else None)

"""Whether every envelope left its traces where it passed, in the order it passed, and every step was told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from egovlaw.catalogue import Channel, FlowItem
from egovlaw.conformance.events import Entry, Event, Parties
from egovlaw.conformance.replaying import Walk
from egovlaw.conformance.report import Deviation

# Whoever was asked or applied to shows that he got it by his answer or his next step, not by a row of its own.
SHOWN_BY_WHAT_FOLLOWS = ("query.", "case.submitted")


def missing(channel: Channel, walk: Walk, events: Sequence[Event], parties: Parties) -> tuple[list[Deviation], int]:
    """What had to be in some journal and is not, and how much was looked for."""
    found: list[Deviation] = []
    expected = 0
    origin = _origin(channel, events)
    for label, (item, before) in walk.left_out.items():
        if item.kind.who == "origin" and origin is not None and origin not in parties.readable and not item.entering:
            continue  # a partner keeps his own journal; the gateways have seen his trail
        text = f"step {label} is missing before {before.name}"
        found.append(Deviation("completeness", item.clause, label, text, before.refs))
    for label, event in walk.reached.items():
        item = channel.by_label[label]
        expected += 1
        if item.entering and label not in walk.told:
            text = f"step {label} was done and no {' or '.join(item.entering)} told it"
            found.append(Deviation("completeness", item.clause, label, text, event.refs))
    for event in events:
        if event.message and (item_of := channel.item(event.step)) is not None:
            lacking = _lacking(event, item_of, events, parties)
            expected += 1
            found += [
                Deviation("completeness", item_of.clause, event.step, f"{event.name}: nothing in the journal of {who}",
                          event.refs)
                for who in lacking
            ]  # fmt: skip
    return found, expected + len(walk.left_out)


def _lacking(event: Event, item: FlowItem, events: Sequence[Event], parties: Parties) -> list[str]:
    source, recipient = event.entries[0].text("source"), event.entries[0].text("recipient")
    wanted = [one for one in parties.route(source, recipient) if one in parties.readable]
    gateways = (parties.national, parties.regional)
    shown = event.message.startswith(SHOWN_BY_WHAT_FOLLOWS)
    if not shown and recipient not in gateways and recipient in parties.readable:
        wanted.append(recipient)
    lacking = [who for who in dict.fromkeys(wanted) if event.times_at(who) < wanted.count(who)]
    asked = event.message.startswith("query.")
    if source in parties.readable and (event.at(source) if asked else sender_entry(event, events)) is None:
        lacking.append(source)
    return lacking


def sender_entry(event: Event, events: Sequence[Event]) -> Entry | None:
    """What the sender wrote: of the envelope, or of the step that the envelope tells."""
    source = event.entries[0].text("source")
    own = event.at(source)
    if own is not None:
        return own
    steps = (one for one in events if not one.message and one.step == event.step)
    return next((one.entries[0] for one in steps if one.entries[0].service == source), None)


def disordered(channel: Channel, events: Sequence[Event], parties: Parties) -> list[Deviation]:
    """Hops of one envelope against its route, and what one system did against the order of the flow."""
    found: list[Deviation] = []
    last: dict[str, tuple[Entry, Event]] = {}
    answers: list[tuple[Entry, Event]] = []
    for event in events:
        item = channel.item(event.step)
        if item is None:
            continue
        if event.message:
            found += _hops(event, item, events, parties)
        if event.message and event.message not in item.entering and event.message not in item.standing:
            continue  # side messages come when they come
        if event.message.startswith("answer."):
            answers += [(one, event) for one in event.entries if one.outcome == "applied"]
        if event.message.startswith(("query.", "answer.")):
            continue  # several registers are asked at once
        for one in event.entries:
            told = [pair for pair in answers if pair[0].service == one.service and pair[1].step != event.step]
            before = last.get(one.service)
            for entry, earlier in (*told, *((before,) if before else ())):
                if one.time < entry.time:
                    found += _late_seen(channel, (one, event), (entry, earlier))
            if before is None or one.time >= before[0].time:
                last[one.service] = (one, event)
    return [*found, *_unasked(channel, events)]


def _unasked(channel: Channel, events: Sequence[Event]) -> list[Deviation]:
    """Nobody sees an answer before the question; a question that is repeated counts from its first time."""
    asked: dict[tuple[str, str], tuple[Entry, Event]] = {}
    for event in events:
        if event.message.startswith("query."):
            for one in event.entries:
                key = (event.message.removeprefix("query."), one.service)
                if key not in asked or one.time < asked[key][0].time:
                    asked[key] = (one, event)
    found: list[Deviation] = []
    for event in events:
        if event.message.startswith("answer.") and channel.item(event.step) is not None:
            for one in event.entries:
                question = asked.get((event.message.removeprefix("answer."), one.service))
                if question is not None and one.time < question[0].time and channel.item(question[1].step):
                    found += _late_seen(channel, (one, event), question)
    return found


def _late_seen(channel: Channel, one: tuple[Entry, Event], before: tuple[Entry, Event]) -> list[Deviation]:
    """Both steps are named: which of the two stands in the wrong place nobody can tell."""
    text = f"{one[0].service} saw {one[1].name} before {before[1].name}"
    steps = dict.fromkeys((one[1].step, before[1].step))
    rows = (one[0].ref, before[0].ref)
    return [Deviation("order", channel.by_label[step].clause, step, text, rows) for step in steps]


def _hops(event: Event, item: FlowItem, events: Sequence[Event], parties: Parties) -> list[Deviation]:
    source, recipient = event.entries[0].text("source"), event.entries[0].text("recipient")
    own = event.message in item.entering or event.message in item.standing
    sender = sender_entry(event, events) if own else event.at(source)
    ends = [] if recipient in (parties.national, parties.regional) else [event.at(recipient)]
    route = parties.route(source, recipient)
    way = [sender, *(event.at(one, route[:n].count(one)) for n, one in enumerate(route)), *ends]
    seen = [one for one in way if one is not None]
    return [
        Deviation("order", item.clause, event.step, f"{event.name}: {after.service} has it before {before.service}",
                  (before.ref, after.ref))
        for before, after in pairwise(seen)
        if after.time < before.time
    ]  # fmt: skip


def _origin(channel: Channel, events: Sequence[Event]) -> str | None:
    for event in events:
        item = channel.item(event.step)
        if event.message and item is not None and item.kind.who == "origin" and event.message in item.entering:
            return event.entries[0].text("source")
    return None

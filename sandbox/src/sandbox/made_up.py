"""Journals of cases that nobody lived: a faithful case of any channel, row by row from the catalogue.

For benchmarks, and for channels that are still to be played. What the rows look like is what the services write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from egovkit.journal import JournalEntry, JournalRow, Kind, chain
from egovlaw.catalogue import Branch, Channel, FlowItem, Limit, Regulation
from egovlaw.conformance import Parties
from egovlaw.kinds import message_type

TICK = timedelta(milliseconds=40)
ORIGINS = {"portal": "portal-pep", "centre": "con-arm", "provider": "provider-arm"}
REGISTERS = {"person": "gbd-fl-mock", "attorney": "enis-mock", "register": "registers-mock"}
PROVIDER = "provider-arm"


@dataclass(slots=True)
class MadeUp:
    """One case being told. `positions` are the writers' next places, kept from case to case."""

    case: str
    regulation: Regulation
    channel: Channel
    parties: Parties
    now: datetime
    positions: dict[str, int]
    rows: list[JournalRow] = field(default_factory=list)
    times: dict[str, datetime] = field(default_factory=dict)
    sent: int = 0

    def write(self, service: str, kind: Kind, facts: Mapping[str, Any]) -> None:
        self.now += TICK
        empty = dict.fromkeys(("step", "clause", "state_before", "state_after", "limit_s", "used_s", "outcome"))
        law = {"regulation": self.regulation.code, "channel": self.channel.code}
        version = {"regulation_version": self.regulation.version} if service == self.parties.national else {}
        body = {**empty, "service": service, **law, **version, **facts}
        place = self.positions[service] = self.positions.get(service, 0) + 1
        entry = JournalEntry(kind, self.now, self.case, body)
        self.rows.append(chain(entry, f"{service}/1", place, "0" * 64))


def faithful(made: MadeUp, prefer: str = "ok") -> list[JournalRow]:
    """The rows of a case that takes branch `prefer` (ok, or violation at the provider's check) and ends."""
    item: FlowItem | None = _first(made.channel)
    while item is not None:
        violated = prefer == "violation" and item.kind.name == "check_documents"
        outcome = ("violation" if violated else "ok") if isinstance(item.next, Branch) else "done"
        _step(made, item, outcome)
        after = item.next
        label = getattr(after, outcome) if isinstance(after, Branch) else after
        item = None if label is None else made.channel.item(label)
    return made.rows


def _first(channel: Channel) -> FlowItem:
    item = channel.flow[0]
    while item.type == "precondition" and isinstance(item.next, str):
        item = channel.by_label[item.next]
    return item


def _step(made: MadeUp, item: FlowItem, outcome: str) -> None:
    origin = ORIGINS[made.channel.origin_kind]
    who = PROVIDER if item.kind.who == "provider" else origin
    if item.kind.name == "query_registers":
        asked = [name.removeprefix("query.") for name in (*item.entering, *item.standing) if name.startswith("query.")]
        for register in dict.fromkeys(asked):
            _send(made, item, f"query.{register}", (who, REGISTERS[register]))
            _send(made, item, f"answer.{register}", (REGISTERS[register], who))
        return
    if not item.entering or item.kind.name in ("register", "refuse_documents", "issue_result", "hand_over", "decide"):
        made.write(who, "step", _facts(made, item, "", outcome, who))
        made.times[f"{item.label} {outcome}"] = made.times[item.label] = made.now
    to_gateway = who == PROVIDER and made.channel.origin_kind == "provider"
    for name in item.entering[:1]:
        _send(made, item, name, (who, made.parties.national if to_gateway else origin if who == PROVIDER else PROVIDER))
    if item.kind.ends_on is not None:
        _send(made, item, item.kind.ends_on, (origin, made.parties.national if to_gateway else PROVIDER))


def _send(made: MadeUp, item: FlowItem, name: str, ends: tuple[str, str]) -> None:
    source, recipient = ends
    made.sent += 1
    about = {"id": f"{made.case[:24]}{made.sent:012d}", "type": message_type(name), "source": source}
    about |= {"recipient": recipient, "sha256": "0" * 64}
    told_by_step = any(row.facts["step"] == item.label and row.kind == "step" for row in made.rows)
    if not told_by_step or name == item.kind.ends_on:
        made.write(source, "envelope", {**_facts(made, item, name, "done", source), **about})
    for gateway in made.parties.route(source, recipient):
        outcome = "consumed" if recipient == gateway else "accepted"
        made.write(gateway, "envelope", {**_facts(made, item, name, outcome, gateway), **about})
        made.times[f"{name} {gateway}"] = made.now
    if not name.startswith(("query.", "case.submitted")) and recipient != made.parties.national:
        made.write(recipient, "envelope", {**_facts(made, item, name, "applied", recipient), **about})


def _facts(made: MadeUp, item: FlowItem, message: str, outcome: str, who: str) -> dict[str, Any]:
    limit = _limit(made.channel.limits, item, message, who)
    facts: dict[str, Any] = {"step": item.label, "clause": item.clause, "outcome": outcome}
    if limit is None:
        return facts
    return {**facts, "limit_s": float(limit.max_s), "used_s": _used(made, limit), "clause": limit.clause}


def _limit(limits: Sequence[Limit], item: FlowItem, message: str, who: str) -> Limit | None:
    for limit in limits:
        stop = limit.stops_on
        fits = stop.name == message if stop.kind == "message" else not message and stop.name == item.label
        if limit.label == item.label and limit.measured_by == who and fits:
            return limit
    return None


def _used(made: MadeUp, limit: Limit) -> float:
    start = limit.starts_on
    if start.kind == "step" and start.moment == "begin":
        return 1.0
    suffix = limit.measured_by if start.kind == "message" else start.outcome
    began = made.times.get(f"{start.name} {suffix}" if suffix else start.name)
    return 0.0 if began is None else round((made.now + TICK - began).total_seconds(), 3)


def many(
    count: int,
    channels: Sequence[tuple[Regulation, Channel]],
    parties: Parties,
    new_id: Callable[[], str],
    began: datetime,
) -> list[JournalRow]:
    """The journals of `count` cases, the channels in turn, a minute between two, every fourth refused."""
    rows: list[JournalRow] = []
    positions: dict[str, int] = {}
    for n in range(count):
        regulation, channel = channels[n % len(channels)]
        made = MadeUp(new_id(), regulation, channel, parties, began + timedelta(minutes=n), positions)
        rows += faithful(made, "violation" if n % 4 == 3 else "ok")
    return rows

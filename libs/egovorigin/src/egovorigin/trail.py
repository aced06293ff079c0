"""Local steps: written to the origin's own journal and into the case's trail, in the transaction of their effect."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovkit.journal import JournalEntry, Kind
from egovlaw.catalogue import FlowItem
from egovorigin.domain.document import stamp
from egovorigin.domain.steps import LocalFlow, Moment, Outcome, used
from egovorigin.origin import AnyOrigin
from egovorigin.store.cases import OriginCase, Step
from egovorigin.store.records import Record


@dataclass(frozen=True, slots=True)
class Taken:
    """A local step that has just happened. `extra` is what else the journal should say of it."""

    item: FlowItem
    outcome: Outcome
    at: datetime
    extra: Mapping[str, Any] | None = None


async def take(
    conn: AsyncConnection,
    origin: AnyOrigin,
    case: OriginCase,
    steps: Sequence[Taken],
    moments: Mapping[Moment, datetime],
) -> None:
    """Journals the steps and puts them into the trail; `moments` tell when each limit began."""
    _, flow = origin.regulation(case.regulation, case.regulation_version)
    entries = [JournalEntry("step", one.at, case.id, _body(origin, case, flow, one, moments)) for one in steps]
    links = await origin.journal.append(conn, entries)
    trail = [
        Step(case.id, one.item.label, one.item.n, one.outcome, one.at, link.writer, link.position, link.hash)
        for one, link in zip(steps, links, strict=True)
    ]
    await origin.cases.put_steps(conn, trail)
    for one, entry in zip(steps, entries, strict=True):
        await origin.records.add_record(
            conn,
            Record(
                case_id=case.id,
                at=one.at,
                event=f"step.{one.outcome}",
                state_before=case.state,
                state_after=case.state,
                step=one.item.label,
                clause=one.item.clause,
                limit_s=entry.body["limit_s"],
                used_s=entry.body["used_s"],
            ),
        )


def _body(
    origin: AnyOrigin, case: OriginCase, flow: LocalFlow, one: Taken, moments: Mapping[Moment, datetime]
) -> dict[str, Any]:
    spent = used(flow.channel, one.item, moments)
    return {
        **step_facts(origin, case, flow, one.item),
        "limit_s": spent.limit_s,
        "used_s": spent.used_s,
        "outcome": one.outcome,
        **(one.extra or {}),
    }


def step_facts(origin: AnyOrigin, case: OriginCase, flow: LocalFlow, item: FlowItem) -> dict[str, Any]:
    """What every journal body says of a step of the flow, in the flow's own words."""
    return {
        "step": item.label,
        "step_kind": item.kind.name,
        "clause": item.clause,
        "service": origin.settings.code,
        "regulation": case.regulation,
        "channel": flow.channel.code,
        "state_before": flow.state_before(item),
        "state_after": item.kind.state,
    }


def envelope_facts(envelope: Envelope, sha256: str | None = None) -> dict[str, Any]:
    """What a journal body of kind envelope says of it; an envelope of our own is hashed as it was signed."""
    return {
        "id": envelope.id,
        "type": envelope.type,
        "source": envelope.source,
        "recipient": envelope.recipient,
        "sha256": sha256 or hashlib.sha256(envelope.encode()).hexdigest(),
    }


async def note(conn: AsyncConnection, origin: AnyOrigin, kind: Kind, case: OriginCase, body: Mapping[str, Any]) -> None:
    """One journal row about a case that is not a step of its trail."""
    await origin.journal.note(conn, [JournalEntry(kind, origin.clock.now(), case.id, body)])


async def trail_of(
    conn: AsyncConnection, origin: AnyOrigin, case_id: str, labels: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The case's local steps in the flow's order, as the next envelope carries them; those of `labels`, or all."""
    return [
        {
            "step": step.step,
            "outcome": step.outcome,
            "at": stamp(step.at),
            "writer": step.writer,
            "position": step.position,
            "hash": step.hash,
        }
        for step in await origin.cases.steps_of(conn, case_id, labels)
    ]

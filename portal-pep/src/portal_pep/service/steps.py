"""Local steps: written to the portal's own journal and into the case's trail, in the transaction of their effect."""

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
from egovorigin.domain.steps import Moment, Outcome, used
from egovorigin.store.cases import Step
from egovorigin.store.records import Record
from portal_pep.domain.steps import PortalFlow
from portal_pep.service.parts import Portal
from portal_pep.store.cases import Case, cases
from portal_pep.store.records import records


@dataclass(frozen=True, slots=True)
class Taken:
    """A local step that has just happened. `extra` is what else the journal should say of it."""

    item: FlowItem
    outcome: Outcome
    at: datetime
    extra: Mapping[str, Any] | None = None


async def take(
    conn: AsyncConnection,
    portal: Portal,
    case: Case,
    steps: Sequence[Taken],
    moments: Mapping[Moment, datetime],
) -> None:
    """Journals the steps and puts them into the trail; `moments` tell when each limit began."""
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    entries = [JournalEntry("step", one.at, case.id, _body(portal, case, flow, one, moments)) for one in steps]
    links = await portal.journal.append(conn, entries)
    trail = [
        Step(case.id, one.item.label, one.item.n, one.outcome, one.at, link.writer, link.position, link.hash)
        for one, link in zip(steps, links, strict=True)
    ]
    await cases.put_steps(conn, trail)
    for one, entry in zip(steps, entries, strict=True):
        await records.add_record(
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
    portal: Portal, case: Case, flow: PortalFlow, one: Taken, moments: Mapping[Moment, datetime]
) -> dict[str, Any]:
    spent = used(flow.channel, one.item, moments)
    return {
        **step_facts(portal, case, flow, one.item),
        "limit_s": spent.limit_s,
        "used_s": spent.used_s,
        "outcome": one.outcome,
        **(one.extra or {}),
    }


def step_facts(portal: Portal, case: Case, flow: PortalFlow, item: FlowItem) -> dict[str, Any]:
    """What every journal body says of a step of the flow, in the flow's own words."""
    return {
        "step": item.label,
        "step_kind": item.kind.name,
        "clause": item.clause,
        "service": portal.settings.code,
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


async def note(conn: AsyncConnection, portal: Portal, kind: Kind, case: Case, body: Mapping[str, Any]) -> None:
    """One journal row about a case that is not a step of its trail."""
    await portal.journal.note(conn, [JournalEntry(kind, portal.clock.now(), case.id, body)])


async def trail_of(conn: AsyncConnection, case_id: str) -> list[dict[str, Any]]:
    """The case's local steps in the flow's order, as the next envelope carries them."""
    return [
        {
            "step": step.step,
            "outcome": step.outcome,
            "at": stamp(step.at),
            "writer": step.writer,
            "position": step.position,
            "hash": step.hash,
        }
        for step in await cases.steps_of(conn, case_id)
    ]

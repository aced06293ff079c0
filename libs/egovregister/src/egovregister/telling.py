"""Who read my data: a person's question over the bus, answered from the record of reads.

It bends to no fault but `down`: what was read is told as it was. Telling is no read of the register's data, so it is
not recorded as one; the journal has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.journal import JournalEntry
from egovkit.outbox import Draft
from egovlaw.kinds import message_type
from egovregister.answering import Answering
from egovregister.domain import PROCESSED, FaultKind, Outcome, is_expired, stamp
from egovregister.store import Read

QUERY, ANSWER = message_type("query.reads"), message_type("answer.reads")
# What an asker got is his trouble; that it was bent on purpose is the tester's.
TOLD = {Outcome.BENT: Outcome.ANSWERED}


async def tell_reads(answering: Answering, conn: AsyncConnection, received: Received) -> None:
    """The handler of `query.reads`. ШЭП lets no one but a portal ask, and the portal asks for nobody but the person who
    is signed in; who asks for whom is in the journals of all three."""
    fault = await answering.store.fault(conn)
    if fault is not None and fault.kind is FaultKind.DOWN:
        raise EgovError("service.unavailable", waiting_for="fault_down")
    asked, data = received.envelope, received.data
    if is_expired(asked.expirytime, received.at):
        await _note(answering, conn, received, "expired")
        return
    since = None if "since" not in data else datetime.fromisoformat(data["since"])
    limit = data["limit"]
    found = await answering.store.reads_about(conn, data["iin"], since=since, after=data.get("after"), limit=limit + 1)
    node = answering.node
    draft = Draft(
        type=ANSWER,
        case=asked.subject,
        recipient=asked.source,
        regulation=asked.regulation,
        channel=asked.channel,
        step=asked.step,
        region=asked.region,
        data={
            "result": dict(PROCESSED),
            "answered_at": stamp(node.clock.now()),
            "iin": data["iin"],
            "reads": [told(read) for read in found[:limit]],
            "more": len(found) > limit,
        },
        queue=answering.ingress(asked.region),
        correlation=asked.id,
        causation=asked.id,
        traceparent=asked.traceparent,
        ordered=False,
    )
    await node.outbox.send(conn, draft)
    await _note(answering, conn, received, "told")


def told(read: Read) -> dict[str, Any]:
    """A read as the person is told of it: neither whom else it was about, nor by which values was asked."""
    names = ("id", "source", "official", "purpose_ru", "clause", "regulation", "channel", "step", "region", "criterion")
    facts: dict[str, Any] = {name: getattr(read, name) for name in names}
    more = {"case": read.case_id, "found": read.found}
    outcome = TOLD.get(read.outcome, read.outcome)
    given = {name: value for name, value in more.items() if value is not None}
    return {**facts, "at": stamp(read.at), "outcome": outcome.value, **given}


async def _note(answering: Answering, conn: AsyncConnection, received: Received, outcome: str) -> None:
    envelope = received.envelope
    facts = {"question": envelope.id, "asker": envelope.source, "sha256": received.wire.sha256, "outcome": outcome}
    body = {"action": "reads.told", "service": answering.node.code, **facts}
    now = answering.node.clock.now()
    await answering.node.journal.note(conn, [JournalEntry("admin", now, None, body)])

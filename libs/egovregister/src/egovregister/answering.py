"""From a question to its answer, in the inbox's transaction: read, journal row and envelope commit together."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.contracts import read_once
from egovkit.db import KitTables
from egovkit.envelope import NOT_APPLICABLE, Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.journal import JournalEntry
from egovkit.log import get_logger
from egovkit.node import Node
from egovkit.outbox import UNORDERED, Draft, OutboxItem, enqueue
from egovkit.sandbox.identities import load_identities
from egovkit.signatures.jws import sign_detached
from egovlaw.kinds import message_type
from egovregister.domain import (
    BY_NAME,
    Fault,
    FaultKind,
    Found,
    Outcome,
    answer_data,
    garbled,
    is_expired,
    stamp,
    today,
)
from egovregister.finding import Question, Register
from egovregister.store import Answered, Read, RegisterStore, Waiting
from egovregister.tables import RegisterTables

ADMINISTRATOR = "administrator"

_log = get_logger("egovregister.answering")


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer to be sent for a read; `clause` is the question's, for the journal."""

    read_id: str
    draft: Draft
    clause: str


class Answering:
    """One register's side of the bus. Made when the node has started."""

    def __init__(self, node: Node, register: Register, tables: RegisterTables, kit: KitTables) -> None:
        self.node = node
        self.store = RegisterStore(tables)
        self._register = register
        self._outbox_table = kit.outbox.outbox
        self._always = _always(node)

    def ingress(self, region: str) -> str:
        """The queue by which the register speaks."""
        return self._register.ingress(region)

    async def answer(self, conn: AsyncConnection, received: Received) -> None:
        """The handler of questions.

        1. answered before: nothing
        2. the register is "down": the question goes back to the queue
        3. too old: recorded, nothing looked up, nothing answered
        4. found, recorded, answered - or bent by the fault of the control API, or by whom it is about
        """
        envelope = received.envelope
        if await self.store.is_read(conn, envelope.source, envelope.id):
            return
        question = self._register.question(envelope)
        stored, magic = await self.store.fault(conn, lock=True), self._always.get(question.iin or "")
        if any(one is not None and one.kind is FaultKind.DOWN for one in (stored, magic)):
            raise EgovError("service.unavailable", waiting_for="fault_down")
        if is_expired(envelope.expirytime, received.at):
            await self._record(conn, received, None, Outcome.EXPIRED)
            await self._note(conn, envelope, envelope.data["clause"], "expired")
            return
        found = await self._register.find(conn, question, _day(received))
        about = _about(question, found)
        fault = stored if stored is not None and stored.bends(about) else self._magic(about)
        if fault is None:
            outcome = Outcome.ANSWERED if found.result is None else Outcome.REFUSED
            read_id = await self._record(conn, received, found, outcome)
            await self._send(conn, self._answer(envelope, read_id, found), outcome.value)
            return
        if fault is stored:
            await self.store.count_down(conn, fault)
        await self._bend(conn, received, found, fault)

    async def record_refusal(self, conn: AsyncConnection, received: Received) -> None:
        """A gateway refused an answer of ours; its read shows it."""
        refused, problem = received.data["id"], received.data["problem"]
        if not await self.store.refuse(conn, refused, problem):
            _log.error("register.refusal_of_unknown", envelope=refused)
        facts = {"envelope": refused, "code": problem["code"], "hop": problem["hop"]}
        await self.note_action(conn, "envelope.refused", received.envelope.subject, **facts)
        _log.warning("envelope.refused", **facts)

    async def note_acceptance(self, conn: AsyncConnection, received: Received) -> None:
        """ШЭП accepts submissions only, and a register sends none: the inbox row is all there is."""

    async def leave_due(self) -> None:
        """Sends the late answers whose time has come."""
        now = self.node.clock.now()
        async with self.node.db.read() as conn:
            if not await self.store.is_due(conn, now):
                return
        async with self.node.db.begin() as conn:
            for waiting in await self.store.take_due(conn, now):
                draft = Draft(**waiting.draft)
                data = {**draft.data, "answered_at": stamp(now)}
                await self._send(conn, _Answer(waiting.read_id, replace(draft, data=data), waiting.clause))

    async def show(self, conn: AsyncConnection, criterion: str, iins: Collection[str], *, asked: str | None) -> None:
        """Records that an administrator looked, outside the bus."""
        id_ = self.node.ids.new()
        read = Read(
            id=id_,
            at=self.node.clock.now(),
            source=self.node.code,
            question=id_,
            case_id=None,
            official=ADMINISTRATOR,
            purpose_ru="Просмотр администратором реестра",
            clause=NOT_APPLICABLE,
            regulation=NOT_APPLICABLE,
            channel=NOT_APPLICABLE,
            step=NOT_APPLICABLE,
            region=NOT_APPLICABLE,
            criterion=criterion,
            asked_iin=asked,
            as_of=None,
            found=len(iins),
            outcome=Outcome.SHOWN,
            fault=None,
        )
        await self.store.add_read(conn, read, {*iins, *((asked,) if asked else ())})  # looked for in vain is a look too

    async def note_action(self, conn: AsyncConnection, action: str, case_id: str | None, **facts: object) -> None:
        """Something that is no step of an act: a fault set, a record changed, a refusal."""
        body = {"action": action, "service": self.node.code, **facts}
        await self.node.journal.note(conn, [JournalEntry("admin", self.node.clock.now(), case_id, body)])

    # --- bent on purpose

    def _magic(self, about: Collection[str]) -> Fault | None:
        """What always happens to a question about one of these people."""
        return next((fault for iin, fault in self._always.items() if iin in about), None)

    async def _bend(self, conn: AsyncConnection, received: Received, found: Found, fault: Fault) -> None:
        envelope = received.envelope
        if fault.kind is FaultKind.NO_DATA:
            found = replace(found, items=[], iins=frozenset(), result=None)
        elif fault.kind is FaultKind.WRONG_PERSON:
            question = self._register.question(envelope)
            found = await self._register.stranger(conn, question, _about(question, found), _day(received))
        read_id = await self._record(conn, received, found, Outcome.BENT, fault.kind)
        answer = self._answer(envelope, read_id, found)
        if fault.kind is FaultKind.SILENT:
            await self._note(conn, envelope, answer.clause, "silent")
        elif fault.kind is FaultKind.LATE:
            due = received.at + timedelta(seconds=fault.seconds or 0)
            await self.store.wait(conn, Waiting(read_id, due, asdict(answer.draft), answer.clause))
            await self._note(conn, envelope, answer.clause, "delayed")
        elif fault.kind is FaultKind.GARBAGE:
            data = garbled(answer.draft.data, self._register.field)
            await self._forge(conn, replace(answer, draft=replace(answer.draft, data=data)), fault.kind)
        elif fault.kind is FaultKind.WRONG_SIGNATURE:
            await self._forge(conn, answer, fault.kind)
        elif fault.kind is FaultKind.TWICE:
            await self._send(conn, answer)
            await self._send(conn, answer, "twice")
        else:
            await self._send(conn, answer, fault.kind.value)

    async def _forge(self, conn: AsyncConnection, answer: _Answer, kind: FaultKind) -> None:
        """Past the outbox's own check, which would not sign such a thing."""
        draft, node = answer.draft, self.node
        envelope = Envelope(
            id=node.ids.new(),
            source=node.code,
            type=draft.type,
            subject=draft.case,
            time=node.clock.now(),
            dataschema=node.messages.spec(draft.type).dataschema,
            recipient=draft.recipient,
            regulation=draft.regulation,
            channel=draft.channel,
            step=draft.step,
            region=draft.region,
            caseseq=UNORDERED,
            data=dict(draft.data),
            correlationid=draft.correlation,
            causationid=draft.causation,
        )
        raw = envelope.encode()
        signed = raw + b" " if kind is FaultKind.WRONG_SIGNATURE else raw
        headers = WireEnvelope(raw, sign_detached(signed, node.key)).headers()
        item = OutboxItem(envelope.id, draft.case, draft.type, draft.recipient, draft.queue, raw, headers)
        await enqueue(conn, self._outbox_table, [item], node.clock.now(), node.relay.wake)
        await self._left(conn, answer, envelope, kind.value)

    # --- recorded and sent

    def _answer(self, asked: Envelope, read_id: str, found: Found) -> _Answer:
        as_of, now = asked.data.get("as_of"), self.node.clock.now()
        draft = Draft(
            type=message_type(self._register.answer),
            case=asked.subject,
            recipient=asked.source,
            regulation=asked.regulation,
            channel=asked.channel,
            step=asked.step,
            region=asked.region,
            data=answer_data(self._register.field, found, as_of, now),
            queue=self._register.ingress(asked.region),
            correlation=asked.id,
            causation=asked.id,
            traceparent=asked.traceparent,
            ordered=False,
        )
        return _Answer(read_id, draft, asked.data["clause"])

    async def _record(
        self,
        conn: AsyncConnection,
        received: Received,
        found: Found | None,
        outcome: Outcome,
        fault: FaultKind | None = None,
    ) -> str:
        envelope, data = received.envelope, received.data
        question, as_of = self._register.question(envelope), data.get("as_of")
        read = Read(
            id=self.node.ids.new(),
            at=received.at,
            source=envelope.source,
            question=envelope.id,
            case_id=envelope.subject,
            official=data["official"],
            purpose_ru=data["purpose_ru"],
            clause=data["clause"],
            regulation=envelope.regulation,
            channel=envelope.channel,
            step=envelope.step,
            region=envelope.region,
            criterion=question.kind,
            asked_iin=question.iin,
            as_of=None if as_of is None else date.fromisoformat(as_of),
            found=None if found is None else len(found.items),
            outcome=outcome,
            fault=fault,
        )
        await self.store.add_read(conn, read, _about(question, found))
        return read.id

    async def _send(self, conn: AsyncConnection, answer: _Answer, outcome: str = "answered") -> None:
        await self._left(conn, answer, await self.node.outbox.send(conn, answer.draft), outcome)

    async def _left(self, conn: AsyncConnection, answer: _Answer, envelope: Envelope, outcome: str) -> None:
        await self.store.add_answer(conn, Answered(envelope.id, answer.read_id, envelope.time, None))
        await self._note(conn, envelope, answer.clause, outcome)

    async def _note(self, conn: AsyncConnection, envelope: Envelope, clause: str, outcome: str) -> None:
        """The register's line in the trace of a case: an answer, or a question that got none."""
        body: Mapping[str, Any] = {
            "step": envelope.step,
            "clause": clause,
            "service": self.node.code,
            "state_before": None,
            "state_after": None,
            "limit_s": None,
            "used_s": None,
            "outcome": outcome,
            "id": envelope.id,
            "type": envelope.type,
            "source": envelope.source,
            "recipient": envelope.recipient,
            "sha256": hashlib.sha256(envelope.encode()).hexdigest(),
            "regulation": envelope.regulation,
            "channel": envelope.channel,
            "region": envelope.region,
            "caseseq": envelope.caseseq,
        }
        await self.node.journal.note(conn, [JournalEntry("envelope", self.node.clock.now(), envelope.subject, body)])


def _always(node: Node) -> Mapping[str, Fault]:
    """Of contracts/identities.yaml: whose questions are bent in this register without any control call."""
    known = read_once(load_identities, node.contracts).values()
    return {
        one.iin: Fault(BY_NAME[one.fault], one.seconds, None, one.iin, node.clock.now())
        for one in known
        if one.system == node.code and one.fault is not None and one.iin is not None
    }


def _day(received: Received) -> date:
    """The day whose state is asked for."""
    as_of = received.data.get("as_of")
    return today(received.at) if as_of is None else date.fromisoformat(as_of)


def _about(question: Question, found: Found | None) -> frozenset[str]:
    """Everybody a question is about: named in it, or found by it."""
    return (found.iins if found else frozenset()) | ({question.iin} if question.iin else frozenset())

"""The working set of one transaction: what is known, what is decided, what will be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.domain import (
    GRACE,
    Arrival,
    CaseRow,
    EnvelopeState,
    Forward,
    Judge,
    Park,
    Refuse,
    Result,
    Standing,
    Trace,
    TurnedAway,
    Verified,
)
from egovgateway.publisher import LEASE
from egovgateway.store import KnownEnvelope, OutgoingRow
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.journal import JournalEntry, Kind, Link
from egovkit.membership import Member
from egovkit.signatures.receipt import Receipt, issue_receipt

if TYPE_CHECKING:
    from egovgateway.pipeline import GatewayParts


REPLAY = "replay.other_body"
MAX_REFUSED = 20  # numbers a receipt names: a header has its limits, and so has a sender's patience


@dataclass(slots=True)
class Passage:
    """One envelope's way through this transaction."""

    arrival: Arrival
    envelope: Envelope | None
    state: EnvelopeState
    trace: Trace | None = None
    error: EgovError | None = None
    queue: str | None = None
    recipient: str = ""
    receipt: str | None = None
    due: datetime | None = None
    known: bool = False  # seen before: nothing is written
    version: int | None = None  # of the regulation the case began with, where this gateway reads the acts

    def result(self) -> Result:
        """What the sender is told."""
        return Result(self.state, self.receipt, self.error)

    def journal_entry(self, service: str, now: datetime) -> JournalEntry:
        """The journal's row of this passage: who, what, where in the flow, and the clock.

        Its time is the arrival's; for one that was parked, the moment it was judged again.
        """
        wire, envelope, trace = self.arrival.wire, self.envelope, self.trace or Trace("none")
        body: dict[str, Any] = {
            "service": service,
            "step": trace.step,
            "clause": self.error.clause if self.error and self.error.clause else trace.clause,
            "state_before": trace.state_before,
            "state_after": trace.state_after,
            "limit_s": trace.limit_s,
            "used_s": trace.used_s,
            "late": trace.late,
            "outcome": self.state.value,
            "sha256": wire.sha256,
            "door": self.arrival.door,
        }
        if envelope is not None:
            body |= {key: getattr(envelope, key) for key in ("id", "type", "source", "recipient", "caseseq")}
            body |= {key: getattr(envelope, key) for key in ("regulation", "channel", "region")}
        if self.version:
            body["regulation_version"] = self.version
        if self.error is not None:
            body["code"] = self.error.code
        kind: Kind = "refusal" if self.error is not None else "envelope"
        moment = now if self.arrival.resumed else self.arrival.received
        return JournalEntry(kind, moment, envelope.subject if envelope else None, body)

    def row(self, now: datetime) -> dict[str, Any]:
        """The row of `envelopes`."""
        envelope, wire = self.envelope, self.arrival.wire
        assert envelope is not None  # only envelopes that could be read have a row
        receipts = [*wire.receipts, self.receipt] if self.receipt else list(wire.receipts)
        settled = self.state not in (EnvelopeState.ACCEPTED, EnvelopeState.PARKED)
        return {
            "source": self.arrival.key_of(envelope)[0],
            "id": envelope.id,
            "sha256": wire.sha256,
            "type": envelope.type,
            "case_id": envelope.subject,
            "caseseq": envelope.caseseq,
            "recipient": self.recipient,
            "raw": wire.raw,
            "signature": wire.signature,
            "receipts": ",".join(receipts),
            "door": self.arrival.door,
            "state": self.state.value,
            "queue": self.queue,
            "problem": _stored(self.error),
            "received_at": self.arrival.received,
            "due_at": self.due,
            "attempts": 0,
            "settled_at": now if settled else None,
            **self._measured(),
        }

    def _measured(self) -> dict[str, Any]:
        """What reports of overdue read; of what was refused too: that is where lateness of a request ends."""
        trace = self.trace
        if trace is None or trace.limit_s is None or trace.used_s is None:
            return dict.fromkeys(("step", "clause", "limit_s", "used_s", "late"))
        late = trace.late or trace.used_s > trace.limit_s + GRACE.total_seconds()
        return {
            "step": trace.step,
            "clause": trace.clause,
            "limit_s": trace.limit_s,
            "used_s": trace.used_s,
            "late": late,
        }


class Ledger:
    """Loads once, judges in order (one case's envelopes see one another), writes once."""

    def __init__(self, parts: GatewayParts, judge: Judge) -> None:
        self._p = parts
        self._judge = judge
        self._now = parts.clock.now()
        self._known: dict[tuple[str, str], KnownEnvelope] = {}
        self._turned_away: set[str] = set()
        self._before: dict[str, CaseRow] = {}
        self._cases: dict[str, CaseRow] = {}
        self._refused: dict[tuple[str, str], frozenset[int]] = {}
        self._parked: dict[tuple[str, str, int], Verified] = {}
        self._new: list[Passage] = []
        self._resumed: list[Passage] = []
        self._away: list[Passage] = []
        self._notices: list[Passage] = []
        self._accepted_for: list[tuple[Member, Passage]] = []

    async def load(self, conn: AsyncConnection, checked: Sequence[Verified | TurnedAway]) -> None:
        """Step 3: one set read each for envelopes, cases, refused numbers and what was turned away."""
        store = self._p.store
        cases = sorted({item.envelope.subject for item in checked if item.key and item.envelope})
        self._before = await store.cases(conn, cases)
        self._cases = dict(self._before)
        self._known = await store.known(conn, [item.key for item in checked if item.key])
        self._refused = await store.refused_numbers(conn, cases)
        self._turned_away = await store.turned_away(conn, [_possible_digest(item) for item in checked])
        for arrival in await store.successors(conn, cases):
            item = self._p.checker.check(arrival)
            if isinstance(item, Verified):
                e = item.envelope
                self._parked[(e.subject, e.source, e.caseseq)] = item

    def judge(self, item: Verified | TurnedAway) -> Passage:
        """Steps 3 to 6 for one arrival."""
        if item.key is None or item.envelope is None:
            assert isinstance(item, TurnedAway)
            return self._turn_away(item.arrival, item.error, item.sender, item.envelope)
        known = self._known.get(item.key)
        if known is not None and not (item.arrival.resumed and known.state is EnvelopeState.PARKED):
            return self._seen_before(item, item.envelope, known)
        passage = self._decide(item) if isinstance(item, Verified) else self._refuse_unfit(item, item.envelope)
        self._known[item.key] = KnownEnvelope(item.arrival.wire.sha256, passage.state, (), _stored(passage.error))
        return passage

    def say(self, to: Member, envelope: Envelope, wire: WireEnvelope) -> None:
        """Put an envelope of the gateway's own beside the others."""
        passage = Passage(Arrival(wire, self._p.code, self._now), envelope, EnvelopeState.ACCEPTED)
        passage.trace = Trace(envelope.step)
        self._address(passage, to)
        self._notices.append(passage)

    async def write(self, conn: AsyncConnection) -> None:
        """Step 7: journal, receipts, dedup rows, progress and outgoing rows, each in one multi-row write."""
        first = [*self._new, *self._resumed, *self._away]
        await self._journal(conn, first)
        for member, passage in self._accepted_for:
            assert passage.envelope is not None and passage.receipt is not None
            sha256 = passage.arrival.wire.sha256
            self.say(member, *self._p.notices.accepted(member, passage.envelope, sha256, passage.receipt))
        await self._journal(conn, self._notices)
        store = self._p.store
        moved = [case for key, case in self._cases.items() if case is not self._before.get(key)]
        await store.write_cases(conn, [self._next_version(case) for case in moved], self._now)
        await store.insert_envelopes(conn, [p.row(self._now) for p in (*self._new, *self._notices)])
        await store.unpark(conn, [p.row(self._now) for p in self._resumed])
        rows = [
            {"digest": p.arrival.digest(p.error.code), "code": p.error.code, "received_at": self._now}
            for p in self._away
            if p.error
        ]
        await store.insert_turned_away(conn, rows)

    def outgoing(self) -> list[OutgoingRow]:
        """What step 9 is to publish."""
        rows = []
        for p in (*self._new, *self._resumed, *self._notices):
            if p.state is EnvelopeState.ACCEPTED and p.queue and p.envelope and p.receipt:
                wire = replace(p.arrival.wire, receipts=(*p.arrival.wire.receipts, p.receipt))
                rows.append(OutgoingRow(p.arrival.key_of(p.envelope), p.queue, wire, 0))
        return rows

    def consumed(self) -> list[Envelope]:
        """What was addressed to this gateway and came for the first time."""
        passages = [*self._new, *self._resumed]
        return [p.envelope for p in passages if p.state is EnvelopeState.CONSUMED and p.envelope]

    def _decide(self, item: Verified) -> Passage:
        envelope = item.envelope
        refused = self._refused_before(envelope).union(*(receipt.refused for receipt in item.receipts))
        decision = self._judge(item, Standing(self._cases.get(envelope.subject), refused, self._now))
        if item.arrival.resumed and isinstance(decision, Park):
            return Passage(item.arrival, envelope, EnvelopeState.PARKED, known=True)
        passage = self._new_passage(item.arrival, envelope, decision.trace)
        match decision:
            case Forward():
                self._forward(passage, item, decision)
            case Park(until=until):
                passage.state, passage.due = EnvelopeState.PARKED, until
            case Refuse(error=error):
                passage.error = error
                self._refuse_to(item.sender, item.arrival, envelope, error, decision.trace)
                self._burn(envelope)
        return passage

    def _refused_before(self, envelope: Envelope) -> frozenset[int]:
        """Numbers of this source in this case that were refused here."""
        return self._refused.get((envelope.subject, envelope.source), frozenset())

    def _refuse_unfit(self, item: TurnedAway, envelope: Envelope) -> Passage:
        """Steps 1 and 2 failed, but the sender is who he says: the row keeps his answer."""
        passage = self._new_passage(item.arrival, envelope, Trace(envelope.step))
        passage.error = item.error
        if item.sender is not None:
            self._refuse_to(item.sender, item.arrival, envelope, item.error, passage.trace)
        self._burn(envelope)
        return passage

    def _new_passage(self, arrival: Arrival, envelope: Envelope, trace: Trace) -> Passage:
        passage = Passage(arrival, envelope, EnvelopeState.REFUSED, trace)
        passage.recipient = envelope.recipient
        (self._resumed if arrival.resumed else self._new).append(passage)
        return passage

    def _burn(self, envelope: Envelope) -> None:
        """A refused number is used up; whoever waited for it is judged now."""
        self._refused[envelope.subject, envelope.source] = self._refused_before(envelope) | {envelope.caseseq}
        self._judge_successor(envelope)

    def _judge_successor(self, envelope: Envelope) -> None:
        successor = self._parked.pop((envelope.subject, envelope.source, envelope.caseseq + 1), None)
        if successor is not None:
            self.judge(successor)

    def _forward(self, passage: Passage, item: Verified, decision: Forward) -> None:
        envelope = item.envelope
        if decision.case is not None:
            self._cases[envelope.subject] = decision.case
            passage.version = decision.case.regulation_version
        if decision.to is None:
            passage.state = EnvelopeState.CONSUMED
        else:
            passage.state = EnvelopeState.ACCEPTED
            self._address(passage, decision.to)
        if decision.notify_sender:
            self._accepted_for.append((item.sender, passage))
        self._judge_successor(envelope)

    def _address(self, passage: Passage, to: Member) -> None:
        passage.recipient = to.code
        passage.queue = self._p.queue_for(to)
        if passage.queue is None:
            passage.state = EnvelopeState.WAITING
        else:
            passage.due = self._now + LEASE

    def _seen_before(self, item: Verified | TurnedAway, envelope: Envelope, known: KnownEnvelope) -> Passage:
        if known.sha256 == item.arrival.wire.sha256:
            passage = Passage(item.arrival, envelope, known.state, known=True)
            passage.receipt = known.receipts[-1] if known.receipts else None
            passage.error = _restored(known)
            return passage
        error = EgovError(REPLAY, id=envelope.id)
        return self._turn_away(item.arrival, error, item.sender, envelope)

    def _turn_away(
        self, arrival: Arrival, error: EgovError, sender: Member | None, envelope: Envelope | None
    ) -> Passage:
        passage = Passage(arrival, envelope, EnvelopeState.REFUSED, error=error)
        digest = arrival.digest(error.code)
        if digest in self._turned_away:
            passage.known = True
            return passage
        self._turned_away.add(digest)
        self._away.append(passage)
        if sender is not None:
            self._refuse_to(sender, arrival, envelope, error, None)
        return passage

    def _refuse_to(
        self, to: Member, arrival: Arrival, about: Envelope | None, error: EgovError, trace: Trace | None
    ) -> None:
        if to.kind.endswith("_gateway"):
            return  # the journal has it; two gateways never refuse one another's refusals
        self.say(to, *self._p.notices.refused(to, arrival, about, error, trace))

    def _next_version(self, case: CaseRow) -> CaseRow:
        before = self._before.get(case.case_id)
        return replace(case, version=(before.version if before else 0) + 1)

    async def _journal(self, conn: AsyncConnection, passages: Sequence[Passage]) -> None:
        entries = [p.journal_entry(self._p.code, self._now) for p in passages]
        links = await self._p.journal.append(conn, entries)
        for passage, link in zip(passages, links, strict=True):
            if passage.error is None and passage.state is not EnvelopeState.PARKED:
                passage.receipt = self._receipt(passage, link)

    def _receipt(self, passage: Passage, link: Link) -> str:
        envelope, trace = passage.envelope, passage.trace or Trace("none")
        assert envelope is not None
        refused = tuple(sorted(number for number in self._refused_before(envelope) if number < envelope.caseseq))
        receipt = Receipt(
            id=envelope.id,
            sha256=passage.arrival.wire.sha256,
            gateway=self._p.code,
            writer=self._p.journal.writer,
            position=link.position,
            head=link.hash,
            received=passage.arrival.received,
            forwarded=self._now,
            limit_s=trace.limit_s,
            used_s=trace.used_s,
            step=trace.step,
            refused=refused[-MAX_REFUSED:],
        )
        return issue_receipt(receipt, self._p.key)


def _possible_digest(item: Verified | TurnedAway) -> str:
    """Under which digest the item would be turned away; one that verifies can only be a replay."""
    return item.arrival.digest(item.error.code if isinstance(item, TurnedAway) else REPLAY)


def _stored(error: EgovError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    params = {
        key: value if isinstance(value, list | int | float) else str(value) for key, value in error.params.items()
    }
    return {"code": error.code, "clause": error.clause, "params": params}


def _restored(known: KnownEnvelope) -> EgovError | None:
    if known.problem is None:
        return None
    return EgovError(known.problem["code"], clause=known.problem["clause"], **known.problem["params"])

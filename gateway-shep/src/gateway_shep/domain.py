"""ШЭП's judgement: route, order and time of every envelope, from the catalogue; states of dead letters. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from egovgateway.domain import (
    GRACE,
    HTTP_DOOR,
    CaseRow,
    Decision,
    Forward,
    Park,
    Question,
    Refuse,
    Standing,
    Trace,
    Verified,
)
from egovkit.envelope import NOT_APPLICABLE, Envelope
from egovkit.errors import EgovError
from egovkit.membership import Member, Members
from egovkit.messages import MessageRegister, MessageSpec
from egovkit.outbox import UNORDERED
from egovlaw.catalogue import Catalogue, Channel, Regulation
from egovlaw.flow import CaseProgress, OrderAccepted, OrderRefused, TrailStep, judge_order
from egovlaw.kinds import message_name
from egovlaw.limits import TimeClass, TimePolicy, TimeVerdict, judge_time, limit_stopped_by, started_at
from egovlaw.routing import ForcePolicy, Party, judge_personal_route, judge_route

KAZAKHSTAN = ZoneInfo("Asia/Almaty")  # an act is in force by the country's calendar, not by UTC's
PATIENCE = timedelta(minutes=10)  # how long an early fact waits for its predecessor; requests wait until they expire
CLASSES: Mapping[str, TimeClass] = {
    "request": "request", "submission": "submission", "fact": "fact", "answer": "answer",
}  # fmt: skip
PROVIDER = "provider"  # the kind of participant a case is decided by
INGRESS = "shep.ingress"
TRUNK = "shep.trunk"
# What the judgement below may refuse with; the lists of routes, orders and times are the law's.
REFUSALS = (
    *("route.type_unknown", "route.unknown_regulation", "route.regulation_repealed", "route.version_unknown"),
    *("route.unknown_channel", "route.unknown_region", "route.region_mismatch", "route.source_not_allowed"),
    *("route.recipient_unknown", "route.recipient_not_allowed", "route.recipient_suspended", "route.wrong_door"),
    *("order.step_not_allowed", "order.trail_broken", "order.case_ended", "order.case_unknown"),
    *("order.sequence_taken", "order.unnumbered", "order.case_mismatch", "order.not_party_of_case"),
    *("order.predecessor_missing", "order.already_answered", "order.answer_numbered", "order.answer_unasked"),
    *("time.expired", "time.late", "time.in_future", "time.claim_beyond_limit", "receipt.missing"),
)


class LetterState(StrEnum):
    """What an operator has decided about a dead letter; each is decided once."""

    WAITING = "waiting"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Policies:
    """What the operator chose: whether repealed acts run, and whether lateness is refused wherever it can be."""

    force: ForcePolicy = "historic"
    time: TimePolicy = "normal"


@dataclass(frozen=True, slots=True)
class Passed:
    """What steps 4 to 6 found out about an envelope that may pass."""

    case: CaseRow
    trace: Trace


class NationalJudge:
    """Decides on one envelope. Knows the catalogue, the registers and the member list; changes nothing."""

    def __init__(
        self,
        code: str,
        catalogue: Catalogue,
        messages: MessageRegister,
        members: Callable[[], Members],
        policies: Policies,
    ) -> None:
        self._code = code
        self._catalogue = catalogue
        self._messages = messages
        self._members = members
        self._policies = policies

    def __call__(self, item: Verified, standing: Standing) -> Decision:
        envelope = item.envelope
        trace = Trace(envelope.step, state_before=standing.case.position if standing.case else None)
        try:
            return self._judge(item, standing, trace)
        except EgovError as error:
            return Refuse(error, replace(trace, clause=error.clause, **_clock_of(error)))

    def _judge(self, item: Verified, standing: Standing, trace: Trace) -> Decision:
        envelope = item.envelope
        _check_door(item)
        recipient = self._members().get(envelope.recipient)
        if item.sender.kind == "regional_gateway":
            return self._relayed_notice(envelope, recipient, trace)
        spec = self._messages.get(envelope.type)
        if spec is not None and spec.about == "person":
            return _personal(spec, item, standing, recipient, trace)
        channel = self._route(spec, item, standing, recipient)  # step 4
        assert spec is not None and recipient is not None  # judge_route refuses both
        _check_side(spec, channel, item)
        _check_context(item, standing.case)
        if spec.cls == "answer":
            _check_answer(item, standing.case)
        else:
            _check_party(item, standing.case)
            _check_number(item, standing)
            if standing.early(envelope.source, envelope.caseseq):
                return _park(item, standing, trace)
        passed = self._order_and_time(spec, channel, item, standing)  # steps 5 and 6
        to = None if recipient.code == self._code else recipient
        return Forward(to, passed.case, passed.trace, notify_sender=spec.cls == "submission")

    def _relayed_notice(self, envelope: Envelope, recipient: Member | None, trace: Trace) -> Decision:
        """A notice of РШЭП to a national system: it is about an envelope, not a move of the case."""
        if recipient is None or recipient.regions or recipient.kind.endswith("_gateway"):
            raise EgovError(
                "route.recipient_not_allowed",
                recipient=envelope.recipient,
                type=envelope.type,
                regulation=envelope.regulation,
                channel=envelope.channel,
            )
        return Forward(recipient, None, trace)

    def _route(self, spec: MessageSpec | None, item: Verified, standing: Standing, recipient: Member | None) -> Channel:
        envelope = item.envelope
        refused = judge_route(
            self._catalogue,
            spec,
            envelope,
            _party(item.sender),
            _party(recipient) if recipient else None,
            policy=self._policies.force if standing.case is None else "historic",  # D20 is about new cases
            on=item.arrival.received.astimezone(KAZAKHSTAN).date(),
            version=standing.case.regulation_version if standing.case else None,
        )
        if refused is not None:
            raise EgovError(refused.code, clause=refused.clause, **dict[str, Any](refused.params))
        if recipient is not None and recipient.state != "active":
            raise EgovError("route.recipient_suspended", recipient=recipient.code)
        regulation = self._law(envelope, standing.case)
        return regulation.channels[envelope.channel]

    def _law(self, envelope: Envelope, case: CaseRow | None) -> Regulation:
        """The version the case began with; the newest for a new one."""
        found = self._catalogue.regulation(envelope.regulation, case.regulation_version if case else None)
        assert found is not None, "judge_route refuses what is not in the catalogue"
        return found

    def _order_and_time(self, spec: MessageSpec, channel: Channel, item: Verified, standing: Standing) -> Passed:
        envelope, case = item.envelope, standing.case
        trail = read_trail(envelope)
        progress = CaseProgress(case.position, case.ended) if case else None
        order = judge_order(channel, progress, spec.name, envelope.step, trail)
        if isinstance(order, OrderRefused):
            allowed = [{"type": name, "step": step} for name, step in order.expected]
            facts: dict[str, Any] = {**order.params, "detail": order.detail, "allowed": allowed}
            raise EgovError(order.code, clause=order.clause, **facts)
        verdict = self._time(spec, channel, item, case, trail)
        moved = self._moved(spec, item, case, order)
        trace = Trace(
            step=envelope.step,
            clause=verdict.clause or order.clause,
            state_before=order.state_before,
            state_after=order.state_after,
            limit_s=verdict.limit_s,
            used_s=verdict.used_s,
            late=verdict.late,
        )
        return Passed(moved, trace)

    def _time(
        self,
        spec: MessageSpec,
        channel: Channel,
        item: Verified,
        case: CaseRow | None,
        trail: Sequence[TrailStep],
    ) -> TimeVerdict:
        envelope, received = item.envelope, item.arrival.received
        if envelope.time > received + GRACE:
            raise EgovError("time.in_future", time=envelope.time.isoformat(), received=received.isoformat())
        for step in trail:
            if step.at > received + GRACE:
                raise EgovError("time.in_future", time=step.at.isoformat(), received=received.isoformat())
        limit = limit_stopped_by(channel.limits, spec.name, envelope.step, self._code)
        started = started_at(limit, trail, _times(item, case)) if limit else None
        expires = envelope.expirytime if spec.cls in ("request", "submission") else None
        cls = limit.cls if limit and spec.cls != "answer" else CLASSES[spec.cls]
        verdict = judge_time(
            limit,
            cls,
            started,
            received,
            expires,
            policy=self._policies.time,
            at_door=True,
        )
        if verdict.action == "refuse":
            facts: dict[str, Any] = {"limit_s": _seconds(verdict.limit_s), "used_s": _seconds(verdict.used_s)}
            raise EgovError(verdict.code or "time.late", clause=verdict.clause, **facts)
        return verdict

    def _moved(self, spec: MessageSpec, item: Verified, case: CaseRow | None, order: OrderAccepted) -> CaseRow:
        envelope = item.envelope
        if case is None:
            regulation = self._law(envelope, None)
            case = CaseRow(
                case_id=envelope.subject,
                regulation=envelope.regulation,
                regulation_version=regulation.version,
                channel=envelope.channel,
                region=envelope.region,
                origin=envelope.source,
                provider="",
            )
        running = self._running(spec, item, case)
        numbered = {} if spec.cls == "answer" else {envelope.source: envelope.caseseq}
        return replace(
            case,
            provider=case.provider or self._provider_of(item),
            position=order.progress.position,
            ended=order.progress.ended,
            sequences={**case.sequences, **numbered},
            times={**case.times, spec.name: item.arrival.received},
            questions=_questions(spec, item, case),
            **running,
        )

    def _running(self, spec: MessageSpec, item: Verified, case: CaseRow) -> dict[str, Any]:
        """The limit that this message starts, or what is left of the one it does not stop. Answers are watched by who
        asked."""
        envelope = item.envelope
        if spec.cls in ("answer", "request"):
            return {}
        for limit in self._law(envelope, case).channels[envelope.channel].limits:
            start, stop = limit.starts_on, limit.stops_on
            if limit.measured_by != self._code or stop.kind != "message":
                continue
            if start.kind == "message" and start.name == spec.name:
                due = item.arrival.received + timedelta(seconds=limit.max_s)
                return {"due_at": due, "due_step": limit.label, "due_clause": limit.clause}
        stopped = case.due_step == envelope.step
        return {"due_at": None, "due_step": None, "due_clause": None} if stopped else {}

    def _provider_of(self, item: Verified) -> str:
        """The provider's system of a case that has none yet: the sender itself, or who the envelope is for."""
        recipient = self._members().get(item.envelope.recipient)
        for member in (item.sender, recipient):
            if member is not None and member.kind == PROVIDER:
                return member.code
        return ""


def _questions(spec: MessageSpec, item: Verified, case: CaseRow) -> Mapping[str, Question]:
    """What registers were asked, with this query added or this answer noted."""
    envelope = item.envelope
    if spec.cls == "request":
        asked = Question(spec.name, envelope.source, envelope.recipient, item.arrival.received)
        return {**case.questions, envelope.id: asked}
    if spec.cls == "answer" and envelope.correlationid is not None:
        answered = replace(case.questions[envelope.correlationid], answered=True)
        return {**case.questions, envelope.correlationid: answered}
    return case.questions


def _times(item: Verified, case: CaseRow | None) -> Mapping[str, datetime]:
    """When each message was accepted last; for an answer, when its own question was."""
    if case is None:
        return {}
    asked = case.questions.get(item.envelope.correlationid or "")
    return case.times if asked is None else {**case.times, asked.type: asked.at}


def read_trail(envelope: Envelope) -> tuple[TrailStep, ...]:
    """The local steps an envelope carries; its form was checked against the message's schema."""
    trail: Sequence[dict[str, Any]] = envelope.data.get("trail", [])
    return tuple(TrailStep(t["step"], t["outcome"], datetime.fromisoformat(t["at"])) for t in trail)


def _personal(
    spec: MessageSpec, item: Verified, standing: Standing, recipient: Member | None, trace: Trace
) -> Decision:
    """A person's question that stands in no act, or its answer: the ends, their region and the time are judged, and no
    case is kept. Whether an answer was asked for the asker knows, by its correlationid."""
    envelope, received = item.envelope, item.arrival.received
    refused = judge_personal_route(spec, envelope, _party(item.sender), _party(recipient) if recipient else None)
    if refused is not None:
        raise EgovError(refused.code, **dict[str, Any](refused.params))
    if recipient is not None and recipient.state != "active":
        raise EgovError("route.recipient_suspended", recipient=recipient.code)
    if standing.case is not None:
        raise EgovError("order.case_mismatch", expected_context=f"{NOT_APPLICABLE}/{NOT_APPLICABLE}/{envelope.region}")
    if envelope.time > received + GRACE:
        raise EgovError("time.in_future", time=envelope.time.isoformat(), received=received.isoformat())
    if spec.cls == "request" and (envelope.expirytime is None or received > envelope.expirytime + GRACE):
        raise EgovError("time.expired", limit_s="-", used_s="-")
    return Forward(recipient, None, trace)


def _check_door(item: Verified) -> None:
    """Who may come through which door: regional systems only through their own gateway."""
    sender, door = item.sender, item.arrival.door
    regional = bool(sender.regions) and sender.kind != "regional_gateway"
    if door == TRUNK:
        if not any(receipt.gateway != sender.code for receipt in item.receipts) and regional:
            raise EgovError("receipt.missing")
    elif door in (INGRESS, HTTP_DOOR) and (regional or sender.kind.endswith("_gateway")):
        raise EgovError("route.wrong_door", source=sender.code, door=door)


def _check_side(spec: MessageSpec, channel: Channel, item: Verified) -> None:
    """A side message belongs to the side the act's channel gives it to (E3): who follows his place in a queue may not
    have himself entered there."""
    envelope, kind = item.envelope, item.sender.kind
    given = [s for s in channel.side_messages if s.type == spec.name and envelope.step in s.during]
    here = {"origin": kind == channel.origin_kind, "provider": kind == PROVIDER, "register": spec.cls == "answer"}
    if given and not any(here[side.sender] for side in given):
        named = {name: getattr(envelope, name) for name in ("type", "regulation", "channel", "region", "source")}
        clause = channel.by_label[envelope.step].clause
        raise EgovError("route.source_not_allowed", clause=clause, **named, recipient=envelope.recipient)


def _check_context(item: Verified, case: CaseRow | None) -> None:
    """A case keeps its regulation, channel and region."""
    if case is None:
        return
    envelope = item.envelope
    same = (case.regulation, case.channel, case.region)
    if (envelope.regulation, envelope.channel, envelope.region) != same:
        raise EgovError("order.case_mismatch", expected_context="/".join(same))


def _check_party(item: Verified, case: CaseRow | None) -> None:
    """A case belongs to its origin and its provider."""
    if case is not None and item.envelope.source not in (case.origin, case.provider):
        raise EgovError("order.not_party_of_case", source=item.envelope.source)


def _check_answer(item: Verified, case: CaseRow | None) -> None:
    """A register speaks only when it was asked, to who asked, once a question (E1)."""
    envelope = item.envelope
    asked = case.questions.get(envelope.correlationid or "") if case else None
    name = message_name(envelope.type).replace("answer.", "query.", 1)
    if asked is None or (asked.type, asked.register, asked.asker) != (name, envelope.source, envelope.recipient):
        raise EgovError("order.answer_unasked", source=envelope.source, question=envelope.correlationid or "-")
    if asked.answered:
        raise EgovError("order.already_answered", source=envelope.source, question=envelope.correlationid)
    if envelope.caseseq != UNORDERED:
        raise EgovError("order.answer_numbered", caseseq=envelope.caseseq)


def _check_number(item: Verified, standing: Standing) -> None:
    envelope = item.envelope
    if envelope.caseseq == UNORDERED:
        raise EgovError("order.unnumbered", type=envelope.type)
    if standing.taken(envelope.source, envelope.caseseq):
        raise EgovError("order.sequence_taken", caseseq=envelope.caseseq)


def _park(item: Verified, standing: Standing, trace: Trace) -> Decision:
    until = item.envelope.expirytime or item.arrival.received + PATIENCE
    if standing.now >= until:
        raise EgovError("order.predecessor_missing", caseseq=item.envelope.caseseq)
    return Park(until, trace)


def _party(member: Member) -> Party:
    return Party(member.code, member.kind, member.regions, member.services)


def _seconds(value: float | None) -> float | str:
    """A figure a caller can compute with; "-" in a text where there is none."""
    return "-" if value is None else round(value, 3) if value % 1 else int(value)


def _clock_of(error: EgovError) -> dict[str, Any]:
    """The clock of a refusal for time, for the journal."""
    found: dict[str, Any] = {}
    for name in ("limit_s", "used_s"):
        text = str(error.params.get(name, "-"))
        if text != "-":
            found[name] = float(text)
    return found

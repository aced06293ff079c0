"""How an application looks from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from con_arm.domain import texts
from con_arm.domain.states import EDITABLE, REPEATABLE, CaseEvent, CaseState, after, has_ended
from con_arm.domain.steps import refusal_is_handed_over
from con_arm.service.couriers import CourierSeen
from con_arm.service.reading import CasePage, QuerySeen
from con_arm.store.cases import Case
from egovkit.verdict import SignatureVerdict, verdict_of
from egovlaw.catalogue import Regulation
from egovlaw.limits import LimitUsed
from egovorigin.api import Shown, Text
from egovorigin.shown import (
    AttachmentShown,
    ProgressShown,
    ServiceName,
    TermChange,
    attachment_shown,
    progress_shown,
    service_name,
    text_shown,
)


class StatusShown(Shown):
    """`code` is the workstation's state; `owner` what the provider said last of it, in its own words."""

    code: str
    text: Text
    ended: bool
    outcome: str | None  # of the result: positive, or negative (the reasoned answer of refusal)
    owner: dict[str, Any] | None


class ApplicantShown(Shown):
    iin: str


class FactShown(Shown):
    code: str
    ru: str
    kk: str


class Why(Shown):
    kk: str
    ru: str


class QueryShown(Shown):
    """One question to a register; `used_s` runs on while it waits."""

    id: str
    register_: Annotated[str, Field(alias="register")]
    state: str
    asked_at: datetime
    answered_at: datetime | None
    limit_s: float | None
    used_s: float
    clause: str
    repeatable: bool
    why: Why
    reason: str | None  # code: why it is no data, or no answer
    problem: dict[str, Any] | None


class QueryWithAnswer(QueryShown):
    answer: dict[str, Any] | None


class TermShown(Shown):
    """`service`: the act's term of the whole service, null where only the Standard has it (A4); `until`: after an
    extension or a pause; `paused`: it does not run; `change`: the last one."""

    service: Any | None
    until: datetime | None
    paused: bool
    change: TermChange | None


class CourierShown(Shown):
    """E10, D15: measured apart from the term of the service, never a ground to refuse; `used`: share of the term."""

    state: str
    clause: str
    dispatched_at: datetime
    due_at: datetime
    arrived_at: datetime | None
    used: float
    overdue: bool


class CaseLine(Shown):
    """A case in a list: the ИИН is masked there."""

    id: str
    number: str | None
    state: str
    status: StatusShown
    service: ServiceName
    applicant: ApplicantShown | None
    created_at: datetime
    changed_at: datetime


class CaseShown(CaseLine):
    representative: dict[str, Any] | None
    ticket: str | None
    facts: list[FactShown]
    queries: list[QueryShown]
    message: Why | None  # what the consumer is told when the registers have no data
    version: int
    form: dict[str, Any]
    papers: list[dict[str, Any]]
    form_version: int
    attachments: list[AttachmentShown]
    editable: bool
    may_ask: bool
    may_prepare: bool
    may_hand_over: bool
    has_result: bool
    term: TermShown
    courier: CourierShown | None
    registered_at: datetime | None
    submitted_at: datetime | None
    accepted_at: datetime | None
    envelope: str | None
    receipt: str | None
    judged: SignatureVerdict | None  # what was found about the operator's signature when it was judged
    hand_over_judged: SignatureVerdict | None  # the same of his signature over the record of the hand-over
    problem: dict[str, Any] | None
    progress: list[ProgressShown]
    limits: list[LimitUsed]  # the acts' limits, as far as their use was seen or told


def case_line(case: Case, regulation: Regulation | None) -> CaseLine:
    applicant = None if case.iin is None else ApplicantShown(iin=masked(case.iin))
    return CaseLine(**_line(case, regulation), applicant=applicant)


def case_shown(page: CasePage) -> CaseShown:
    case = page.case
    told = case.problem if case.problem is not None and "text_ru" in case.problem else None
    return CaseShown(
        **_line(case, page.regulation),
        applicant=None if case.iin is None else ApplicantShown(iin=case.iin),
        representative=case.representative,
        ticket=case.ticket_id,
        facts=[FactShown(**fact) for fact in case.facts],
        queries=[QueryShown(**_query(one)) for one in page.queries],
        message=None if told is None else Why(kk=told["text_kk"], ru=told["text_ru"]),
        version=case.owner_version,
        form=case.form,
        papers=case.papers,
        form_version=case.form_version,
        attachments=[attachment_shown(one) for one in page.attachments],
        editable=case.state in EDITABLE,
        may_ask=after(case.state, CaseEvent.ASKED) is not None,
        may_prepare=after(case.state, CaseEvent.PREPARED) is not None,
        may_hand_over=after(case.state, CaseEvent.HANDED_OVER) is not None and not _ended(case, page.regulation),
        has_result=page.has_result,
        term=_term(case, page.regulation),
        courier=None if page.courier is None else courier_shown(page.courier),
        registered_at=case.registered_at,
        submitted_at=case.submitted_at,
        accepted_at=case.accepted_at,
        envelope=case.envelope_id,
        receipt=case.receipt,
        judged=verdict_of(case.judged),
        hand_over_judged=verdict_of(None if page.hand_over is None else page.hand_over.judged),
        problem=case.problem,
        progress=[progress_shown(step) for step in page.steps],
        limits=list(page.limits),
    )


def query_with_answer(seen: QuerySeen) -> QueryWithAnswer:
    return QueryWithAnswer(**_query(seen), answer=seen.query.answer)


def masked(iin: str) -> str:
    """First four digits and the last two: enough to tell two rows apart, not enough to name a person."""
    return f"{iin[:4]}******{iin[-2:]}"


def _line(case: Case, regulation: Regulation | None) -> dict[str, Any]:
    handed = regulation is not None and refusal_is_handed_over(regulation)
    text = texts.state_text(case.state, case.outcome, refusal_is_handed_over=handed)
    return {
        "id": case.id,
        "number": case.number,
        "state": case.state.value,
        "status": StatusShown(
            code=case.state.value,
            text=text_shown(text),
            ended=_ended(case, regulation),
            outcome=case.outcome,
            owner=case.status,
        ),
        "service": service_name(case, regulation),
        "created_at": case.created_at,
        "changed_at": case.changed_at,
    }


def _ended(case: Case, regulation: Regulation | None) -> bool:
    handed = regulation is not None and refusal_is_handed_over(regulation)
    return has_ended(case.state, refusal_is_handed_over=handed)


def _term(case: Case, regulation: Regulation) -> TermShown:
    return TermShown(
        service=regulation.service_term,
        until=case.term_until,
        paused=case.state is CaseState.PAUSED,
        change=None if case.term_change is None else TermChange(**case.term_change),
    )


def courier_shown(seen: CourierSeen) -> CourierShown:
    one = seen.courier
    return CourierShown(
        state=one.state.value,
        clause=one.clause,
        dispatched_at=one.dispatched_at,
        due_at=one.due_at,
        arrived_at=one.arrived_at,
        used=seen.used,
        overdue=seen.overdue,
    )


def _query(seen: QuerySeen) -> dict[str, Any]:
    query = seen.query
    return {
        "id": query.id,
        "register": query.register,
        "state": seen.state.value,
        "asked_at": query.asked_at,
        "answered_at": query.answered_at,
        "limit_s": query.limit_s,
        "used_s": seen.used_s,
        "clause": query.clause,
        "repeatable": seen.state in REPEATABLE,
        "why": _why(seen),
        "reason": query.reason,
        "problem": query.problem,
    }


def _why(seen: QuerySeen) -> Why:
    """What became of the question, then the reason, where there is one."""
    parts = [texts.QUERY_TEXTS[seen.state]]
    if seen.query.reason is not None:
        parts.append(texts.REASON_TEXTS[seen.query.reason])
    kk, ru = [one.kk for one in parts], [one.ru for one in parts]
    if seen.query.problem is not None:
        kk.append(seen.query.problem["title_kk"])
        ru.append(seen.query.problem["title_ru"])
    return Why(kk=": ".join(kk), ru=": ".join(ru))

"""How an application looks from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from egovkit.verdict import SignatureVerdict, verdict_of
from egovlaw.catalogue import Regulation
from egovlaw.limits import LimitUsed
from egovorigin.api import Shown, Text, Title
from egovorigin.domain.states import POSITIVE
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
from portal_pep.domain.co_signing import CoSignature, declared
from portal_pep.domain.states import EDITABLE, ENDED, CaseEvent, CaseState, after
from portal_pep.domain.texts import STATE_TEXTS, TURN_TEXTS
from portal_pep.domain.waiting import Awaited
from portal_pep.service.reading import CasePage, StatusCheck
from portal_pep.store.cases import Case


class StatusShown(Shown):
    """`code` is the portal's state; `owner` what the provider said last of it, in its own words."""

    code: str
    text: Text
    ended: bool
    outcome: str | None  # of the result: positive, or negative (the reasoned answer of refusal)
    owner: dict[str, Any] | None


class TermShown(Shown):
    """`service`: the act's term of the whole service, null where only the Standard has it (A4); `until`: after an
    extension or a pause; `paused`: does not run; `change`: the last one; `way_s`: the longest step limits on the way to
    a result, added up by us: no legal term."""

    service: Any | None
    until: datetime | None
    paused: bool
    change: TermChange | None
    way_s: float | None


class CaseLine(Shown):
    id: str
    number: str | None
    service: ServiceName
    status: StatusShown
    created_at: datetime
    changed_at: datetime


class CoSignerShown(Shown):
    """Whom the applicant named to sign with him. `state`: named, waiting, signed or declined (`reason`: why)."""

    role: str
    label: Title
    clause: str
    iin: str
    state: str
    asked_at: datetime | None
    answered_at: datetime | None
    reason: str | None
    judged: SignatureVerdict | None


class CaseShown(CaseLine):
    """The request page; the act asks for ИИН, number, kind of service, status and term."""

    iin: str
    term: TermShown
    registered_at: datetime | None
    submitted_at: datetime | None
    accepted_at: datetime | None
    envelope: str | None
    receipt: str | None
    editable: bool
    may_prepare: bool
    has_result: bool
    judged: SignatureVerdict | None  # what was found about the applicant's signature when it was judged
    co_signers: list[CoSignerShown]
    problem: dict[str, Any] | None
    form: dict[str, Any]
    form_version: int
    attachments: list[AttachmentShown]
    progress: list[ProgressShown]
    limits: list[LimitUsed]  # the acts' limits, as far as their use was seen or told


class AwaitedShown(Shown):
    """Whose turn it is, and the step of the act that stands next; its text is the act's own."""

    by: str  # applicant, gateway or provider
    text: Text
    step: str | None
    type: str | None
    clause: str | None
    text_ru: str | None


class StatusChecked(CaseLine):
    """What the act has shown on "обновить статус": ИИН, number, kind of service, status and term, as they are now."""

    iin: str
    term: TermShown
    asked_at: datetime
    told_at: datetime | None  # when the provider's last word came
    awaited: AwaitedShown | None  # null when the application has ended
    has_result: bool


def state_text(case: Case) -> Text:
    negative = case.state is CaseState.COMPLETED and case.outcome not in (None, POSITIVE)
    return text_shown(STATE_TEXTS[CaseState.REFUSED if negative else case.state])


def _term(case: Case, regulation: Regulation, way_s: float | None) -> TermShown:
    return TermShown(
        service=regulation.service_term,
        until=case.term_until,
        paused=case.state is CaseState.PAUSED,
        change=None if case.term_change is None else TermChange(**case.term_change),
        way_s=way_s,
    )


def status_checked(check: StatusCheck) -> StatusChecked:
    case = check.case
    return StatusChecked(
        **_line(case, check.regulation),
        iin=case.iin,
        term=_term(case, check.regulation, None),
        asked_at=check.asked_at,
        told_at=check.told_at,
        awaited=_awaited(check.awaited) if check.awaited else None,
        has_result=check.has_result,
    )


def _awaited(awaited: Awaited) -> AwaitedShown:
    item = awaited.item
    return AwaitedShown(
        by=awaited.turn.value,
        text=text_shown(TURN_TEXTS[awaited.turn]),
        step=item.label if item else None,
        type=item.type if item else None,
        clause=item.clause if item else None,
        text_ru=item.text_ru if item else None,
    )


def case_line(case: Case, regulation: Regulation | None) -> CaseLine:
    return CaseLine(**_line(case, regulation))


def case_shown(page: CasePage) -> CaseShown:
    case = page.case
    way = [step.limit_s for step in page.steps if step.limit_s is not None and step.item.outcome != "refusal"]
    return CaseShown(
        **_line(case, page.regulation),
        iin=case.iin,
        term=_term(case, page.regulation, sum(way) if way else None),
        registered_at=case.registered_at,
        submitted_at=case.submitted_at,
        accepted_at=case.accepted_at,
        envelope=case.envelope_id,
        receipt=case.receipt,
        editable=case.state in EDITABLE,
        may_prepare=after(case.state, CaseEvent.PREPARED) is not None,
        has_result=page.has_result,
        judged=verdict_of(case.judged),
        co_signers=[_co_signer(page.regulation, one) for one in page.co_signers],
        problem=case.problem,
        form=case.form,
        form_version=case.form_version,
        attachments=[attachment_shown(one) for one in page.attachments],
        progress=[progress_shown(step) for step in page.steps],
        limits=list(page.limits),
    )


def _line(case: Case, regulation: Regulation | None) -> dict[str, Any]:
    return {
        "id": case.id,
        "number": case.number,
        "service": service_name(case, regulation),
        "status": StatusShown(
            code=case.state.value,
            text=state_text(case),
            ended=case.state in ENDED,
            outcome=case.outcome,
            owner=case.status,
        ),
        "created_at": case.created_at,
        "changed_at": case.changed_at,
    }


def co_signer_words(regulation: Regulation, role: str) -> tuple[Title, str]:
    """The act's words for his signature, and their clause; the role itself once the act has none any more."""
    found = declared(regulation, role)
    if found is None:
        return Title(kk=role, ru=role), "-"
    return Title(kk=found.label.kk, ru=found.label.ru), found.clause


def _co_signer(regulation: Regulation, one: CoSignature) -> CoSignerShown:
    label, clause = co_signer_words(regulation, one.role)
    return CoSignerShown(
        role=one.role,
        label=label,
        clause=clause,
        iin=one.iin,
        state=one.state.value,
        asked_at=one.asked_at,
        answered_at=one.answered_at,
        reason=one.reason,
        judged=verdict_of(one.judged),
    )

"""From records to what the API shows. Lists mask the applicant always, a case by the reader's role."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from egovkit.errors import EgovError, FieldError
from egovkit.journal import JournalRow
from egovkit.verdict import verdict_of
from egovlaw.catalogue import InternalStep
from egovlaw.forms import co_signers
from provider_arm.api.models import (
    Applicant,
    AttachmentRef,
    CaseLine,
    CaseStanding,
    CaseTask,
    CaseView,
    CoSignerView,
    HandOverView,
    HistoryItem,
    IncidentView,
    InternalView,
    LimitView,
    OutgoingDocument,
    PersonRef,
    ProcedureStep,
    ProcedureView,
    Reason,
    StaffView,
    TaskStanding,
    TaskView,
)
from provider_arm.api.render_terms import term_view
from provider_arm.domain.cases import Case, Staff, Task, TaskState, masked_iin, reason_text
from provider_arm.domain.co_signing import CoSignature
from provider_arm.domain.internal import Running, step_of
from provider_arm.service.context import Workstation
from provider_arm.service.internal import Standing
from provider_arm.service.views import CaseFile
from provider_arm.store.oversight import Incident

Names = Mapping[str, str]


def staff_view(person: Staff) -> StaffView:
    return StaffView(
        id=person.id,
        iin=masked_iin(person.iin),
        name=person.name,
        roles=sorted(person.roles),
        region=person.region,
        provider=person.provider,
        office=person.office,
        office_kind=person.office_kind,
        active=person.active,
        created_at=person.created_at,
    )


def person_ref(names: Names, staff_id: str | None) -> PersonRef | None:
    return None if staff_id is None else PersonRef(id=staff_id, name=names.get(staff_id, "-"))


def titles(ws: Workstation, regulation_code: str, version: int | None = None) -> tuple[str, str]:
    """Russian and Kazakh, of the version a case goes by; the bare code where the catalogue no longer has it."""
    regulation = ws.procedures.regulation(regulation_code, version)
    return (regulation_code, regulation_code) if regulation is None else (regulation.title_ru, regulation.title_kk)


def standing(case: Case) -> CaseStanding:
    return CaseStanding(case=case.id, number=case.number, state=case.state, version=case.version)


def task_standing(task: Task, case: Case) -> TaskStanding:
    return TaskStanding(**standing(case).model_dump(), task=task.id, task_state=task.state)


def task_view(ws: Workstation, task: Task, case: Case, names: Names) -> TaskView:
    title_ru, title_kk = titles(ws, case.regulation, case.regulation_version)
    return TaskView(
        id=task.id,
        kind=task.kind,
        state=task.state,
        case=case.id,
        number=case.number,
        regulation=case.regulation,
        title_ru=title_ru,
        title_kk=title_kk,
        channel=case.channel,
        verified=case.verified,
        applicant_iin=masked_iin(case.applicant_iin),
        case_state=case.state,
        version=case.version,
        created_at=task.created_at,
        taken_at=task.taken_at,
        assignee=person_ref(names, task.assignee),
        limit=_limit(task, ws.clock.now()),
        internal=_internal(ws, task, case),
    )


def _internal(ws: Workstation, task: Task, case: Case) -> InternalView | None:
    regulation = ws.procedures.regulation(case.regulation, case.regulation_version)
    step = None if task.step is None or regulation is None else step_of(regulation.internal_procedure, task.step)
    return None if step is None else internal_view(step)


def internal_view(step: InternalStep) -> InternalView:
    return InternalView(
        branch=step.branch,
        n=step.n,
        task=step.task,
        role=step.role,
        office=step.office,
        clause=step.clause,
        action_ru=step.action_ru,
    )


def procedure_view(running: Running, steps: Sequence[Standing], names: Names, now: datetime) -> ProcedureView:
    draft = running.draft
    return ProcedureView(
        lodged=running.lodged,
        executor=person_ref(names, running.executor),
        outcome=draft.answer,
        text_ru=draft.text_ru,
        text_kk=draft.text_kk,
        values=dict(draft.values),
        conclusion=draft.conclusion,
        steps=[_procedure_step(one, names, now) for one in steps],
    )


def _procedure_step(one: Standing, names: Names, now: datetime) -> ProcedureStep:
    task = one.task
    if task is None:
        return ProcedureStep(
            step=internal_view(one.step), state=None, assignee=None, opened_at=None, done_at=None, due_at=None,
            term=None, overdue=False,
        )  # fmt: skip
    return ProcedureStep(
        step=internal_view(one.step),
        state=task.state,
        assignee=person_ref(names, task.assignee),
        opened_at=task.created_at,
        done_at=task.done_at,
        due_at=task.due_at,
        term=task.term,
        overdue=task.due_at is not None and (task.done_at or now) > task.due_at,
    )


def _limit(task: Task, now: datetime) -> LimitView | None:
    if task.due_at is None:
        return None
    until = task.done_at or now
    return LimitView(
        limit_s=task.limit_s,
        term=task.term,
        used_s=round(max(0.0, (until - task.created_at).total_seconds()), 3),
        clause=task.limit_clause or "-",
        due_at=task.due_at,
        overdue=until > task.due_at and (task.state is not TaskState.DONE or task.done_at is not None),
    )


def case_line(ws: Workstation, case: Case) -> CaseLine:
    title_ru, title_kk = titles(ws, case.regulation, case.regulation_version)
    return CaseLine(
        id=case.id,
        number=case.number,
        regulation=case.regulation,
        title_ru=title_ru,
        title_kk=title_kk,
        channel=case.channel,
        region=case.region,
        provider=case.provider,
        state=case.state,
        verified=case.verified,
        version=case.version,
        applicant_iin=masked_iin(case.applicant_iin),
        registered_at=case.registered_at,
        changed_at=case.changed_at,
    )


def case_view(ws: Workstation, opened: CaseFile) -> CaseView:
    case = opened.case
    iin = masked_iin(case.applicant_iin) if opened.masked else case.applicant_iin
    document, signature, judged = opened.signed or (None, None, None)
    return CaseView(
        **case_line(ws, case).model_dump(),
        applicant=Applicant(iin=iin, masked=opened.masked),
        form=None if opened.application is None else dict(opened.application.form),
        document=_b64(document),
        signature=_b64(signature),
        judged=verdict_of(judged),
        co_signers=[_co_signer(ws, case, one) for one in opened.co_signed],
        attachments=[] if opened.masked else [_attachment(case, one) for one in case.attachments],
        reasons=[Reason(code=code, text=reason_text(code).ru) for code in case.reasons],
        regulation_version=case.regulation_version,
        source=case.source,
        submitted_at=case.submitted_at,
        received_at=case.received_at,
        changed_by=person_ref(opened.names, case.changed_by),
        tasks=[_case_task(task, opened.names) for task in opened.tasks],
        answer=_answer(opened),
        handed_over=_handed_over(opened),
        term=term_view(ws, opened),
        limits=opened.limits,
    )


def _co_signer(ws: Workstation, case: Case, one: CoSignature) -> CoSignerView:
    regulation = ws.procedures.regulation(case.regulation, case.regulation_version)
    asked = () if regulation is None else co_signers(regulation)
    label = next((asker.label for asker in asked if asker.role == one.role), None)
    return CoSignerView(
        role=one.role,
        label_ru=one.role if label is None else label.ru,
        label_kk=one.role if label is None else label.kk,
        iin=one.iin,
        verified=not one.reasons,
        reasons=[Reason(code=code, text=reason_text(code).ru) for code in one.reasons],
        signature=_b64(one.signature),
        judged=verdict_of(one.judged),
    )


def _attachment(case: Case, one: Mapping[str, Any]) -> AttachmentRef:
    href = f"/v1/cases/{case.id}/attachments/{one['sha256']}"
    return AttachmentRef(name=one["name"], type=one["type"], size=one["size"], sha256=one["sha256"], href=href)


def _case_task(task: Task, names: Names) -> CaseTask:
    return CaseTask(
        id=task.id,
        kind=task.kind,
        state=task.state,
        assignee=person_ref(names, task.assignee),
        created_at=task.created_at,
        taken_at=task.taken_at,
        done_at=task.done_at,
    )


def _answer(opened: CaseFile) -> OutgoingDocument | None:
    if opened.answer is None:
        return None
    kind, document, signature, judged = opened.answer
    return OutgoingDocument(
        kind="result" if kind == "result" else "refusal",
        document=b64(document),
        signature=_b64(signature),
        judged=verdict_of(judged),
    )


def _handed_over(opened: CaseFile) -> HandOverView | None:
    record = opened.hand_over
    if record is None:
        return None
    return HandOverView(
        at=record.handed_over_at,
        capacity=record.capacity,
        iin=record.iin,
        status_version=record.status_version,
        verified=not record.reasons,
        reasons=[Reason(code=code, text=reason_text(code).ru) for code in record.reasons],
        document=b64(record.document),
        signature=b64(record.signature),
        judged=verdict_of(record.judged),
    )


def history_item(row: JournalRow, names: Names) -> HistoryItem:
    facts = row.facts
    actor = facts.get("by")
    return HistoryItem(
        at=row.time,
        kind=row.kind,
        step=facts.get("step"),
        clause=facts.get("clause"),
        state_before=facts.get("state_before"),
        state_after=facts.get("state_after"),
        outcome=facts.get("outcome") or facts.get("action"),
        limit_s=facts.get("limit_s"),
        used_s=facts.get("used_s"),
        by=person_ref(names, actor),
        writer=row.writer,
        position=row.position,
        hash=row.hash,
    )


def incident_view(incident: Incident, lang: str) -> IncidentView:
    problem = incident.problem
    return IncidentView(
        id=incident.id,
        at=incident.at,
        case=incident.case_id,
        envelope=incident.envelope_id,
        type=incident.envelope_type,
        code=incident.code,
        side=problem.get("side"),
        hop=problem.get("hop"),
        clause=problem.get("clause"),
        title=str(problem.get(f"title_{lang}", incident.code)),
        detail=str(problem.get(f"detail_{lang}", "")),
        remedy=str(problem.get(f"remedy_{lang}", "")),
    )


def decoded(field: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise EgovError("request.invalid", errors=[FieldError(field, "wrong_form", "is not base64")]) from None


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _b64(content: bytes | None) -> str | None:
    return None if content is None else b64(content)

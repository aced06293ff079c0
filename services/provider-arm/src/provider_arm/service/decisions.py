"""The document check, the refusal and the result: what officials decide, each with its step, letter and message."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovkit.journal import Link
from egovkit.signatures.certificates import CertificateFacts
from egovlaw.catalogue import FlowItem
from provider_arm.domain.cases import (
    ENDED,
    TRANSITIONS,
    Case,
    CaseEvent,
    CheckOutcome,
    Staff,
    StepKind,
    Task,
    TaskState,
    document_bytes,
    reason_text,
)
from provider_arm.service import work
from provider_arm.service.context import Workstation, stamp, trail_step
from provider_arm.service.procedure import NOT_MEASURED, Procedure
from provider_arm.service.signers import OFFICIAL, checked_signature, chosen_certificate
from provider_arm.store import cases, tasks

MAX_RESULT = 64 * 1024  # bytes; with signature and base64 it has to fit one envelope of 256 KiB


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: CheckOutcome
    reasons: tuple[tuple[str, str], ...]  # code, text for the applicant


@dataclass(frozen=True, slots=True)
class ResultWish:
    certificate: str  # PEM or base64 of DER
    text_ru: str
    text_kk: str
    values: dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Prepared:
    case: Case
    document: bytes
    certificate: CertificateFacts


@dataclass(frozen=True, slots=True)
class Sitting:
    """One official deciding on one case, in one transaction, at one moment."""

    ws: Workstation
    conn: AsyncConnection
    person: Staff
    case: Case
    procedure: Procedure
    now: datetime

    @staticmethod
    def of(ws: Workstation, conn: AsyncConnection, person: Staff, case: Case) -> Sitting:
        procedure = ws.procedures.of(case.regulation, case.channel, case.regulation_version)
        return Sitting(ws, conn, person, case, procedure, ws.clock.now())

    async def journal(
        self,
        item: FlowItem,
        before: FlowItem,
        *,
        outcome: str = "done",
        started: datetime | None = None,
        **more: object,
    ) -> Link:
        """The step into our chain, with its limit where the act gives one that runs from `started`."""
        return await self.ws.journal_step(
            self.conn,
            self.case.id,
            item,
            states=(before.kind.state, item.kind.state),
            outcome=outcome,
            measured=self.procedure.measure(item, started, self.now),
            at=self.now,
            by=self.person.id,
            **more,
        )

    async def checked(self, outcome: str) -> list[Any]:
        """The document check as a step of its own, and the trail that ends with it."""
        item = self.procedure.check
        link = await self.journal(item, self.procedure.register, outcome=outcome)
        return [*self.case.trail, trail_step(item, outcome, self.now, link)]

    async def move(self, event: CaseEvent, trail: list[Any]) -> int:
        """Compare-and-set to the state the table gives; the case's new version."""
        after = TRANSITIONS.get((self.case.state, event))
        if after is None:
            raise await self.ws.conflict(self.conn, self.case)
        values = {
            "state": after.value,
            "trail": trail,
            "changed_at": self.now,
            "changed_by": self.person.id,
        }
        if not await cases.change(self.conn, self.case, values):
            raise await self.ws.conflict(self.conn, await work.reloaded(self.conn, self.case))
        return self.case.version + 1

    async def finish(self, task: Task) -> Case:
        if not await tasks.finish(self.conn, task.id, self.person.id, self.now):
            raise await work.taken_by_another(self.conn, task)
        return await work.reloaded(self.conn, self.case)


async def check_documents(ws: Workstation, person: Staff, case_id: str, verdict: Verdict, expected: int | None) -> Case:
    """C3 of the portal channel and its like, with P7 at once when there are violations."""
    work.require_role(person, StepKind.CHECK_DOCUMENTS)
    if verdict.outcome is CheckOutcome.VIOLATIONS:
        work.require_role(person, StepKind.REFUSE_DOCUMENTS)
    async with ws.db.begin() as conn:
        case, task = await _own_task(ws, conn, person, case_id, (StepKind.CHECK_DOCUMENTS, expected))
        _require_sense(case, verdict)
        sitting = Sitting.of(ws, conn, person, case)
        if verdict.outcome is CheckOutcome.OK:
            await _accept(sitting)
        else:
            await _refuse(sitting, verdict.reasons)
        return await sitting.finish(task)


def _require_sense(case: Case, verdict: Verdict) -> None:
    if verdict.outcome is CheckOutcome.OK:
        if not case.verified:
            raise EgovError("decision.not_verified", reasons=list(case.reasons))
        if verdict.reasons:
            error = FieldError("reasons", "not_allowed", "a check without violations has no reasons")
            raise EgovError("request.invalid", errors=[error])
    elif not verdict.reasons and case.verified:
        raise EgovError("request.invalid", errors=[FieldError("reasons", "missing", "say what is wrong")])


async def _accept(sitting: Sitting) -> None:
    procedure, now = sitting.procedure, sitting.now
    trail = await sitting.checked("ok")
    await sitting.move(CaseEvent.DOCUMENTS_IN_ORDER, trail)
    runs = procedure.started_by(procedure.issue, procedure.check)
    limit = procedure.measure(procedure.issue, now, now) if runs else NOT_MEASURED
    await tasks.add(
        sitting.conn,
        Task(
            id=sitting.ws.ids.new(),
            case_id=sitting.case.id,
            kind=StepKind.ISSUE_RESULT,
            state=TaskState.OPEN,
            assignee=None,
            created_at=now,
            taken_at=None,
            done_at=None,
            due_at=limit.due_at,
            limit_s=None if limit.limit_s is None else int(limit.limit_s),
            limit_clause=limit.clause,
        ),
    )


async def _refuse(sitting: Sitting, given: tuple[tuple[str, str], ...]) -> None:
    """The reasoned refusal: a letter without signature (A9, A13), its bytes kept as they are sent."""
    ws, conn, case, procedure = sitting.ws, sitting.conn, sitting.case, sitting.procedure
    reasons = [*({"code": code, "text": text} for code, text in given), *_found_at_registration(case)]
    trail = await sitting.checked("violation")
    item = procedure.refuse
    started = sitting.now if procedure.started_by(item, procedure.check) else None
    codes = [reason["code"] for reason in reasons]
    await sitting.journal(item, procedure.check, started=started, reasons=codes)
    letter = document_bytes(_refusal_letter(sitting) | {"reasons": reasons})
    version = await sitting.move(CaseEvent.DOCUMENTS_IN_VIOLATION, [])
    by = (sitting.person.id, sitting.now)
    await cases.add_document(conn, case.id, kind="refusal", document=letter, signature=None, by=by)
    data = {
        "number": case.number,
        "reasons": reasons,
        "document": base64.b64encode(letter).decode(),
        "refused_at": stamp(sitting.now),
        "version": version,
        "trail": trail,
    }
    await ws.tell_origin(conn, case, "case.refused", step=item.label, data=data)


def _found_at_registration(case: Case) -> list[dict[str, str]]:
    """The machine's own reasons, in both languages: the official need not type them."""
    found = []
    for code in case.reasons:
        text = reason_text(code)
        found.append({"code": code, "text": f"{text.ru} / {text.kk}"})
    return found


def _refusal_letter(sitting: Sitting) -> dict[str, Any]:
    refuse = sitting.procedure.refuse
    return {
        "kind": "refusal",
        **_about(sitting.procedure, sitting.case),
        "step": refuse.label,
        "clause": refuse.clause,
        "basis_ru": refuse.text_ru,
        "official": {"name": sitting.person.name, "office": sitting.person.office},
        "signed": False,
        "refused_at": stamp(sitting.now),
    }


def _about(procedure: Procedure, case: Case) -> dict[str, Any]:
    return {
        "case": case.id,
        "number": case.number,
        "regulation": case.regulation,
        "version": procedure.regulation.version,
        "service_ru": procedure.regulation.title_ru,
        "service_kk": procedure.regulation.title_kk,
        "provider": case.provider,
        "region": case.region,
        "channel": case.channel,
        "applicant": {"iin": case.applicant_iin},
    }


async def prepare_result(
    ws: Workstation, person: Staff, case_id: str, wish: ResultWish, expected: int | None
) -> Prepared:
    """The exact bytes to sign, after the signer's certificate was checked; an open task becomes his."""
    work.require_role(person, StepKind.ISSUE_RESULT)
    certificate = chosen_certificate(ws, person, wish.certificate)
    _require_official(certificate)
    async with ws.db.begin() as conn:
        case, task = await _task_of(ws, conn, person, case_id, (StepKind.ISSUE_RESULT, expected))
        if task.state is TaskState.OPEN:
            await work.claim(ws, conn, person, task, case)
        elif task.assignee != person.id:
            raise await work.taken_by_another(conn, task)
        sitting = Sitting.of(ws, conn, person, case)
        application, _ = await cases.application(conn, case.id)
        document = document_bytes(_result(sitting, wish, application, certificate.thumbprint))
        if len(document) > MAX_RESULT:
            raise EgovError("result.too_large", limit=MAX_RESULT, size=len(document))
        draft = cases.Draft(person.id, document, certificate.thumbprint, case.version, sitting.now)
        await cases.keep_draft(conn, case.id, draft)
        return Prepared(case, document, certificate)


def _result(sitting: Sitting, wish: ResultWish, application: bytes, thumbprint: str) -> dict[str, Any]:
    issue, person = sitting.procedure.issue, sitting.person
    return {
        "kind": "result",
        **_about(sitting.procedure, sitting.case),
        "step": issue.label,
        "clause": issue.clause,
        "application": hashlib.sha256(application).hexdigest(),
        "text_ru": wish.text_ru,
        "text_kk": wish.text_kk,
        "values": wish.values,
        "authorised": {"name": person.name, "office": person.office},
        "certificate": thumbprint,
        "prepared_at": stamp(sitting.now),
    }


def _require_official(facts: CertificateFacts) -> None:
    """Cl. 6 12) of act 427 and its like: "ЭЦП уполномоченного лица услугодателя"."""
    if not facts.ekus & OFFICIAL:
        raise EgovError("result.certificate_not_official")


async def issue_result(ws: Workstation, person: Staff, case_id: str, signature: bytes, expected: int | None) -> Case:
    """P8 of the portal channel and its like. The signature is checked before the transaction: it takes a thread,
    and whatever changes meanwhile is caught by the version."""
    work.require_role(person, StepKind.ISSUE_RESULT)
    async with ws.db.read() as conn:
        case, draft = await _prepared(ws, conn, person, case_id, expected)
    signer = await checked_signature(ws, person, draft.document, signature)
    _require_official(signer)
    if signer.thumbprint != draft.certificate:
        raise EgovError("result.other_certificate")
    async with ws.db.begin() as conn:
        case, again = await _prepared(ws, conn, person, case_id, case.version)
        if again.document != draft.document:
            raise EgovError("result.not_prepared")
        _, task = await _own_task(ws, conn, person, case_id, (StepKind.ISSUE_RESULT, case.version))
        sitting = Sitting.of(ws, conn, person, case)
        await _complete(sitting, draft.document, signature)
        return await sitting.finish(task)


async def _prepared(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, expected: int | None
) -> tuple[Case, cases.Draft]:
    case = await work.visible_case(conn, person, case_id)
    if case.state in ENDED or (expected is not None and expected != case.version):
        raise await ws.conflict(conn, case)
    draft = await cases.draft(conn, case_id)
    if draft is None or draft.staff_id != person.id or draft.case_version != case.version:
        raise EgovError("result.not_prepared")
    return case, draft


async def _complete(sitting: Sitting, document: bytes, signature: bytes) -> None:
    ws, conn, case, procedure = sitting.ws, sitting.conn, sitting.case, sitting.procedure
    item = procedure.issue
    started = _checked_at(case) if procedure.started_by(item, procedure.check) else None
    digest = hashlib.sha256(document).hexdigest()
    await sitting.journal(item, procedure.check, started=started, document_sha256=digest)
    version = await sitting.move(CaseEvent.RESULT_ISSUED, [])
    by = (sitting.person.id, sitting.now)
    await cases.add_document(conn, case.id, kind="result", document=document, signature=signature, by=by)
    data = {
        "number": case.number,
        "document": base64.b64encode(document).decode(),
        "signature": base64.b64encode(signature).decode(),
        "completed_at": stamp(sitting.now),
        "version": version,
        "trail": list(case.trail),
    }
    await ws.tell_origin(conn, case, "case.completed", step=item.label, data=data)


def _checked_at(case: Case) -> datetime | None:
    return datetime.fromisoformat(case.trail[-1]["at"]) if case.trail else None


Asked = tuple[StepKind, int | None]  # the work to do, and the version of the case the caller saw


async def _task_of(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, asked: Asked
) -> tuple[Case, Task]:
    kind, expected = asked
    case = await work.visible_case(conn, person, case_id, lock=True)
    if case.state in ENDED or (expected is not None and expected != case.version):
        raise await ws.conflict(conn, case)
    task = next((one for one in await tasks.of_case(conn, case_id) if one.kind is kind), None)
    if task is None:
        raise EgovError("decision.too_early", step=kind.value, state=case.state.value)
    if task.state is TaskState.DONE:
        raise await ws.conflict(conn, case)
    return case, task


async def _own_task(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, asked: Asked
) -> tuple[Case, Task]:
    case, task = await _task_of(ws, conn, person, case_id, asked)
    if task.state is TaskState.OPEN:
        raise EgovError("task.not_taken", task=task.id)
    if task.assignee != person.id:
        raise await work.taken_by_another(conn, task)
    return case, task

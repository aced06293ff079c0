"""The document check and the refusal: what officials decide, each with its step, letter and message."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from egovkit.errors import EgovError, FieldError
from egovlaw.catalogue import FlowItem
from provider_arm.domain.cases import (
    Answer,
    Case,
    CaseEvent,
    CheckOutcome,
    Decision,
    Staff,
    StepKind,
    document_bytes,
    reason_text,
)
from provider_arm.service import deciding, internal, opinions
from provider_arm.service.actors import require_role
from provider_arm.service.context import Workstation, stamp
from provider_arm.service.sitting import Sitting, about, own_task
from provider_arm.store import cases


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: CheckOutcome
    reasons: tuple[tuple[str, str], ...]  # code, text for the applicant


async def check_documents(ws: Workstation, person: Staff, case_id: str, verdict: Verdict, expected: int | None) -> Case:
    """C3 of the portal channel and its like, with P7 at once when there are violations."""
    require_role(person, StepKind.CHECK_DOCUMENTS)
    if verdict.outcome is CheckOutcome.VIOLATIONS:
        require_role(person, StepKind.REFUSE_DOCUMENTS)
    async with ws.db.begin() as conn:
        case, task = await own_task(ws, conn, person, case_id, (StepKind.CHECK_DOCUMENTS, expected))
        _require_sense(case, verdict)
        sitting = Sitting.of(ws, conn, person, case)
        await opinions.require(conn, sitting.regulation, case)
        refuse = None if sitting.procedure is None else sitting.procedure.refuse
        if verdict.outcome is CheckOutcome.OK:
            await _accept(sitting)
        elif refuse is None:
            await _decide_negatively(sitting, verdict.reasons)
        else:
            await _refuse(sitting, refuse, verdict.reasons)
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
    trail = await sitting.checked("ok")
    await deciding.settle(sitting, CaseEvent.DOCUMENTS_IN_ORDER, Decision(Answer.POSITIVE), trail)
    if not await internal.start(sitting.ws, sitting.conn, sitting.case):  # D1: between the check and the result
        await deciding.open_result(sitting)


async def _decide_negatively(sitting: Sitting, given: tuple[tuple[str, str], ...]) -> None:
    """The act has no refusal here: the reasoned answer is a result, signed like any other."""
    decision = Decision(Answer.NEGATIVE, tuple(_all_reasons(sitting.case, given)))
    trail = await sitting.checked("violation")
    await deciding.settle(sitting, CaseEvent.ANSWER_IS_NEGATIVE, decision, trail)
    await deciding.open_result(sitting)


async def _refuse(sitting: Sitting, item: FlowItem, given: tuple[tuple[str, str], ...]) -> None:
    """The reasoned refusal: a letter without signature (A9, A13), its bytes kept as they are sent."""
    ws, conn, case, procedure = sitting.ws, sitting.conn, sitting.case, sitting.procedure
    assert procedure is not None, "the step to refuse by is of a flow"
    reasons = _all_reasons(case, given)
    trail = await sitting.checked("violation")
    started = sitting.now if procedure.started_by(item, procedure.check) else None
    codes = [reason["code"] for reason in reasons]
    await sitting.journal(item, procedure.check or procedure.held, started=started, reasons=codes)
    letter = document_bytes(_refusal_letter(sitting, item) | {"reasons": reasons})
    version = await sitting.move(CaseEvent.DOCUMENTS_IN_VIOLATION, [])
    by = (sitting.person.id, sitting.now)
    await cases.add_document(conn, case.id, cases.Outgoing("refusal", letter, None, None), by)
    data = {
        "number": case.number,
        "reasons": reasons,
        "document": base64.b64encode(letter).decode(),
        "refused_at": stamp(sitting.now),
        "version": version,
        "trail": trail,
    }
    await ws.tell_origin(conn, case, "case.refused", step=item.label, data=data)


def _all_reasons(case: Case, given: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [*({"code": code, "text": text} for code, text in given), *_found_at_registration(case)]


def _found_at_registration(case: Case) -> list[dict[str, str]]:
    """The machine's own reasons, in both languages: the official need not type them."""
    found = []
    for code in case.reasons:
        text = reason_text(code)
        found.append({"code": code, "text": f"{text.ru} / {text.kk}"})
    return found


def _refusal_letter(sitting: Sitting, refuse: FlowItem) -> dict[str, Any]:
    return {
        "kind": "refusal",
        **about(sitting.regulation, sitting.case),
        "step": refuse.label,
        "clause": refuse.clause,
        "basis_ru": refuse.text_ru,
        "official": {"name": sitting.person.name, "office": sitting.person.office},
        "signed": False,
        "refused_at": stamp(sitting.now),
    }

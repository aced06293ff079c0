"""The result: prepared as exact bytes, signed by whom the act authorises, sent to where the case came from.

The official signs the document and, where he prepared one, the page people will see (`pages`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.signatures.certificates import CertificateFacts
from egovkit.signatures.documents import DocumentFacts
from egovkit.signatures.pdf import PreparedPage
from egovkit.signatures.profiles import OFFICIALS
from provider_arm.domain.cases import (
    ENDED,
    Answer,
    Case,
    Decision,
    Staff,
    StepKind,
    Task,
    TaskState,
    document_bytes,
)
from provider_arm.service import completing, deciding, internal, pages, registers, results, work
from provider_arm.service.actors import require_actor
from provider_arm.service.context import Keep, Workstation, stamp
from provider_arm.service.pages import Signed
from provider_arm.service.signers import checked_signature, chosen_certificate
from provider_arm.service.sitting import Sitting, about, own_task, task_of
from provider_arm.store import cases
from provider_arm.store import pages as page_store

MAX_RESULT = 64 * 1024  # bytes; with signature and base64 it has to fit one envelope of 256 KiB


@dataclass(frozen=True, slots=True)
class ResultWish:
    certificate: str  # PEM or base64 of DER
    text_ru: str
    text_kk: str
    values: dict[str, str | int | bool]
    answer: Answer | None = None  # None: as it was decided
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    case: Case
    document: bytes
    certificate: CertificateFacts


async def prepare_result(
    ws: Workstation, person: Staff, case_id: str, wish: ResultWish, expected: int | None
) -> Prepared:
    """The exact bytes to sign, after the signer's certificate was checked; an open task becomes his."""
    certificate = await chosen_certificate(ws, person, wish.certificate)
    _require_official(certificate)
    async with ws.db.begin() as conn:
        case, task = await task_of(ws, conn, person, case_id, (StepKind.ISSUE_RESULT, expected))
        await require_actor(ws, conn, person, task, case)
        if task.state is TaskState.OPEN:
            await work.claim(ws, conn, person, task, case)
        elif task.assignee != person.id:
            raise await work.taken_by_another(conn, task)
        sitting = Sitting.of(ws, conn, person, case)
        application = (await cases.application(conn, case.id)).document
        values = await registers.with_decided(conn, sitting.regulation, case, wish.values)
        document = document_bytes(_result(sitting, replace(wish, values=values), application, certificate.thumbprint))
        if len(document) > MAX_RESULT:
            raise EgovError("result.too_large", limit=MAX_RESULT, size=len(document))
        draft = cases.Draft(person.id, document, certificate.thumbprint, case.version, sitting.now)
        await cases.keep_draft(conn, case.id, draft)
        return Prepared(case, document, certificate)


def _result(sitting: Sitting, wish: ResultWish, application: bytes, thumbprint: str) -> dict[str, Any]:
    person, decision = sitting.person, sitting.case.decision or Decision(Answer.POSITIVE)
    form = results.form_of(sitting.regulation, decision.answer, wish.answer, wish.variant)
    until = results.valid_until(form, sitting.now)
    return {
        "kind": "result",
        "outcome": decision.answer.value,
        **({} if wish.variant is None else {"variant": wish.variant}),
        **({} if until is None else {"valid_until": until}),
        **({"reasons": [dict(one) for one in decision.reasons]} if decision.reasons else {}),
        **about(sitting.regulation, sitting.case),
        **_place(sitting),
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
    if not facts.ekus & OFFICIALS:
        raise EgovError("result.certificate_not_official")


async def prepare_page(
    ws: Workstation, person: Staff, case_id: str, signature: bytes, expected: int | None
) -> tuple[Case, PreparedPage]:
    """The page of the prepared result, for him to sign as well. `signature`: over the document, since the codes on the
    page carry it."""
    case, draft = await _at_hand(ws, person, case_id, expected)
    checked = await _signed_by_official(ws, person, draft, signature)
    page = await pages.prepare(ws, case, draft.document, signature, checked)
    async with ws.db.begin() as conn:
        case, _ = await _still(ws, conn, person, case, draft)
        await page_store.keep_draft(conn, case.id, page)
    return case, page.page


async def issue_result(
    ws: Workstation, person: Staff, case_id: str, given: Signed, *, expected: int | None, keep: Keep[Case]
) -> Case:
    """P8 of the portal channel and its like. The signatures are checked, the page is sealed and stored before the
    transaction: that takes threads and others' time, and whatever changes meanwhile is caught by the version."""
    case, draft = await _at_hand(ws, person, case_id, expected)
    facts = await _signed_by_official(ws, person, draft, given.document)
    page = await pages.signed_page(ws, person, case, draft, given)
    async with ws.db.begin() as conn:
        case, task = await _still(ws, conn, person, case, draft)
        sitting = Sitting.of(ws, conn, person, case)
        made = cases.Outgoing("result", draft.document, given.document, facts.as_data())
        await cases.add_document(conn, case.id, made, (person.id, sitting.now))
        await page_store.issue(conn, case.id, page)
        if task.step is None:
            digest = hashlib.sha256(draft.document).hexdigest()
            await deciding.note_signed(sitting, draft.prepared_at, digest)
            await completing.complete(sitting)
            issued = await sitting.finish(task)
        else:
            await sitting.finish(task)
            issued = await internal.signed(sitting, task)
        await keep(conn, issued)
    return issued


async def _at_hand(ws: Workstation, person: Staff, case_id: str, expected: int | None) -> tuple[Case, cases.Draft]:
    """What he has prepared for the case as it is now."""
    async with ws.db.read() as conn:
        case, task = await task_of(ws, conn, person, case_id, (StepKind.ISSUE_RESULT, expected))
        await require_actor(ws, conn, person, task, case)
        return await _prepared(ws, conn, person, case_id, expected)


async def _still(
    ws: Workstation, conn: AsyncConnection, person: Staff, case: Case, draft: cases.Draft
) -> tuple[Case, Task]:
    """The case and his task, nothing having changed since the draft was read."""
    case, again = await _prepared(ws, conn, person, case.id, case.version)
    if again.document != draft.document:
        raise EgovError("result.not_prepared")
    return await own_task(ws, conn, person, case.id, (StepKind.ISSUE_RESULT, case.version))


async def _signed_by_official(ws: Workstation, person: Staff, draft: cases.Draft, signature: bytes) -> DocumentFacts:
    checked = await checked_signature(ws, person, draft.document, signature)
    _require_official(checked.signer)
    if checked.signer.thumbprint != draft.certificate:
        raise EgovError("result.other_certificate")
    return checked


async def _prepared(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, expected: int | None
) -> tuple[Case, cases.Draft]:
    case = await work.visible_case(conn, person, case_id)
    if case.state in ENDED or (expected is not None and expected != case.version):
        raise await ws.conflict(conn, case)
    draft = await cases.draft(conn, case_id)
    if draft is None or draft.staff_id != person.id or draft.case_version != case.version:
        raise EgovError("result.not_prepared")
    if results.day_of(draft.prepared_at) != results.day_of(ws.clock.now()):
        raise EgovError("result.not_prepared")  # it and its page bear the day of issue, which its validity begins with
    return case, draft


def _place(sitting: Sitting) -> dict[str, str]:
    """Where the act speaks of the result: the flow's last step, or the clause that names the channel."""
    if sitting.procedure is not None:
        issue = sitting.procedure.issue
        return {"step": issue.label, "clause": issue.clause}
    return {"clause": ", ".join(sitting.regulation.channels[sitting.case.channel].clauses)}

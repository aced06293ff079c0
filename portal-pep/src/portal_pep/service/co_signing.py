"""The co-signer's side: what waits for his signature; his signature over the very bytes the applicant signed, or his
no.

With the last signature the application is sent. All others are judged again then: between them days may have passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import TRANSIENT, EgovError
from egovkit.signatures.documents import DocumentFacts
from egovorigin.origin import Keep
from egovorigin.sending import Parcel
from egovorigin.store.records import Record
from egovorigin.trail import note
from portal_pep.domain.co_signing import CoSignature, CoState, is_last
from portal_pep.domain.states import CaseState
from portal_pep.domain.texts import NoticeKind
from portal_pep.service.asking import ask
from portal_pep.service.notices import notify
from portal_pep.service.parts import Portal
from portal_pep.service.submitting import end_refused, parcel_of, send
from portal_pep.store import co_signatures as store
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case, cases
from portal_pep.store.files import files
from portal_pep.store.records import records

SEEN = (CoState.WAITING, CoState.SIGNED, CoState.DECLINED)


@dataclass(frozen=True, slots=True)
class Asked:
    """An application as somebody sees it who was asked to sign it."""

    case: Case
    mine: CoSignature


@dataclass(frozen=True, slots=True)
class _Others:
    """What is known now of everybody else's signature; `fallen`: whose no longer stands, but the applicant's."""

    applicant: DocumentFacts
    judged: dict[str, dict[str, Any]]
    fallen: tuple[CoSignature, ...]


async def asked(
    portal: Portal, account: Account, *, waiting: bool, before: str | None, limit: int
) -> tuple[list[Asked], bool]:
    """One page, newest first, and whether there is another; `waiting`: only what still waits for him."""
    states = (CoState.WAITING,) if waiting else SEEN
    async with portal.db.read() as conn:
        found = await store.of_person(conn, account.iin, states, before=before, limit=limit + 1)
        known = [(await cases.case(conn, one.case_id), one) for one in found[:limit]]
    return [Asked(case, one) for case, one in known if case is not None], len(found) > limit


async def show(portal: Portal, account: Account, case_id: str) -> Asked:
    async with portal.db.read() as conn:
        return await _mine(conn, account, case_id)


async def _mine(conn: AsyncConnection, account: Account, case_id: str, *, lock: bool = False) -> Asked:
    """EgovError co_signature.not_found for who was not asked, or not yet: another's draft does not exist for him."""
    case = await cases.case(conn, case_id, lock=lock)
    named = [] if case is None else await store.of_case(conn, case_id)
    mine = next((one for one in named if one.iin == account.iin and one.state in SEEN), None)
    if case is None or mine is None:
        raise EgovError("co_signature.not_found")
    return Asked(case, mine)


def _require_waiting(found: Asked) -> None:
    if found.case.state is not CaseState.CO_SIGNING or found.mine.state is not CoState.WAITING:
        raise EgovError("co_signature.not_waiting", state=found.mine.state.value)


async def decline(portal: Portal, account: Account, case_id: str, reason: str) -> Asked:
    """His no, with a reason the applicant is told. The application stays as it is until the applicant changes it."""
    async with portal.db.begin() as conn:
        found = await _mine(conn, account, case_id, lock=True)
        if found.mine.state is CoState.DECLINED:
            return found
        _require_waiting(found)
        case, mine, now = found.case, found.mine, portal.clock.now()
        await store.answer(conn, case.id, mine.role, CoState.DECLINED, now, reason=reason)
        await _record(conn, portal, case, "co_signature_declined", {"role": mine.role})
        said = {"reason": reason}
        await notify(conn, portal, case, NoticeKind.CO_SIGNATURE_DECLINED, kk=said, ru=said)
        return await _mine(conn, account, case_id)


async def sign(portal: Portal, account: Account, case_id: str, signature: bytes, keep: Keep[Asked]) -> Asked:
    """EgovError signature.*, certificate.*: nothing changes, he may sign again. Signing a second time changes nothing
    either."""
    async with portal.db.read() as conn:
        found, named = await _mine(conn, account, case_id), await store.of_case(conn, case_id)
    if found.mine.state is CoState.SIGNED:
        return await _kept(portal, account, case_id, keep)
    _require_waiting(found)
    case, document = found.case, found.case.document or b""
    judged = await _judged(portal, found, document, signature)
    signed = replace(found.mine, state=CoState.SIGNED, signature=signature, judged=judged.as_data())
    others = await _others(portal, case, named, signed) if is_last(named, signed.role) else None
    parcel = None
    if others is not None and others.applicant.refusal is None and not others.fallen:
        parcel = await _parcel(portal, case, [one if one.role != signed.role else signed for one in named], others)
    async with portal.db.begin() as conn:
        current = await _mine(conn, account, case_id, lock=True)
        if current.case.document != document or await store.of_case(conn, case_id) != named:
            raise EgovError("case.changed_meanwhile")
        _require_waiting(current)
        await _keep(conn, portal, current.case, signed)
        await _go_on(conn, portal, current.case, others, parcel)
        done = await _mine(conn, account, case_id)
        await keep(conn, done)
    return done


async def _kept(portal: Portal, account: Account, case_id: str, keep: Keep[Asked]) -> Asked:
    async with portal.db.begin() as conn:
        done = await _mine(conn, account, case_id)
        await keep(conn, done)
    return done


async def _judged(portal: Portal, found: Asked, document: bytes, signature: bytes) -> DocumentFacts:
    """One that does not hold is journalled and refused."""
    kept: dict[str, Any] | None = None
    try:
        facts = await portal.signatures.verify(document, signature, portal.clock.now(), found.mine.iin)
    except EgovError as error:
        refused = error
    else:
        if facts.refusal is None:
            return facts
        refused, kept = EgovError(facts.refusal), facts.as_data()
    if not refused.transient:
        said = {"role": found.mine.role, "outcome": "refusal", "code": refused.code, "judged": kept}
        body = {"action": "application.co_signed", "service": portal.settings.code, **said}
        async with portal.db.begin() as conn:
            await note(conn, portal, "refusal", found.case, body)
    raise refused


async def _others(portal: Portal, case: Case, named: Sequence[CoSignature], mine: CoSignature) -> _Others:
    """Judged now, as they will leave. Who cannot be judged for want of НУЦ's word fails nobody: it is tried again."""
    now, document = portal.clock.now(), case.document or b""
    applicant = await portal.signatures.verify(document, case.signature or b"", now, case.iin)
    codes, judged, fallen = [applicant.refusal], {mine.role: mine.judged or {}}, []
    for one in named:
        if one.role != mine.role:
            facts = await portal.signatures.verify(document, one.signature or b"", now, one.iin)
            codes.append(facts.refusal)
            judged[one.role] = facts.as_data()
            fallen += [] if facts.refusal is None else [one]
    unknown = next((code for code in codes if code in TRANSIENT), None)
    if unknown is not None:
        raise EgovError(unknown)
    return _Others(applicant, judged, tuple(fallen))


async def _parcel(portal: Portal, case: Case, signed: Sequence[CoSignature], others: _Others) -> Parcel:
    async with portal.db.read() as conn:
        attached = await files.attachments_of(conn, case.id)
    found = [replace(one, judged=others.judged[one.role]) for one in signed]
    return await parcel_of(portal, case, attached, (case.signature or b"", others.applicant), found)


async def _keep(conn: AsyncConnection, portal: Portal, case: Case, signed: CoSignature) -> None:
    now = portal.clock.now()
    values = {"signature": signed.signature, "judged": signed.judged}
    await store.answer(conn, case.id, signed.role, CoState.SIGNED, now, **values)
    digest = hashlib.sha256(case.document or b"").hexdigest()
    said = {"role": signed.role, "document_sha256": digest, "judged": signed.judged}
    await _record(conn, portal, case, "co_signed", said)
    await notify(conn, portal, case, NoticeKind.CO_SIGNED)


async def _record(conn: AsyncConnection, portal: Portal, case: Case, event: str, said: dict[str, Any]) -> None:
    """A signature of the consumers is no step of the act: its row tells of an action."""
    now, state = portal.clock.now(), case.state.value
    body = {"action": f"application.{event}", "service": portal.settings.code, **said}
    await note(conn, portal, "admin", case, body)
    line = Record(case_id=case.id, at=now, event=event, state_before=state, state_after=state)
    await records.add_record(conn, replace(line, detail={"role": said["role"]}))


async def _go_on(
    conn: AsyncConnection, portal: Portal, case: Case, others: _Others | None, parcel: Parcel | None
) -> None:
    if others is None:
        return
    if parcel is not None:
        await send(conn, portal, case, parcel)
    elif others.applicant.refusal is not None:
        await end_refused(conn, portal, case, others.applicant)
    else:  # whose signature no longer stands signs again
        await ask(conn, portal, case, others.fallen, portal.clock.now())

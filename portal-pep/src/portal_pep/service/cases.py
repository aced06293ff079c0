"""An application while the citizen works on it: chosen, filled in, copies attached."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovkit.files import Attachment
from egovlaw.forms import application_fields
from egovlaw.identifiers import iin_problem
from egovorigin.attaching import aad, put, seal
from egovorigin.domain.forms import form_problems
from egovorigin.domain.steps import Moment
from egovorigin.origin import Keep
from egovorigin.store.records import Record
from egovorigin.trail import Taken, take
from portal_pep.domain.co_signing import declared
from portal_pep.domain.states import CaseEvent, CaseState, after
from portal_pep.domain.steps import PortalFlow
from portal_pep.service.accounts import Identity
from portal_pep.service.asking import void
from portal_pep.service.parts import Portal
from portal_pep.store import co_signatures
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case, NewCase
from portal_pep.store.cases import cases as store
from portal_pep.store.files import files
from portal_pep.store.records import records

NOT_PREPARED: dict[str, Any] = dict.fromkeys(("document", "certificate", "prepared_at", "signature", "judged"))


async def open_case(
    portal: Portal, identity: Identity, regulation_code: str, copy_of: str | None, keep: Keep[Case]
) -> Case:
    """The service is chosen, the case is born (E9), and the steps of this session's login become its first ones.

    `copy_of`: a former application of the same person and service whose form and copies are taken over.
    """
    regulation, flow = portal.regulation(regulation_code)
    now = portal.clock.now()
    portal.require_in_force(regulation)
    account = identity.account
    async with portal.db.begin() as conn:
        former = None if copy_of is None else await owned(conn, account, copy_of)
        if former is not None and former.regulation != regulation.code:
            raise EgovError("case.of_another_service")
        new = NewCase(
            id=portal.ids.new(),
            account_id=account.id,
            iin=account.iin,
            regulation=regulation.code,
            regulation_version=regulation.version,
            region=regulation.region,
            form=dict(former.form) if former else {},
            at=now,
        )
        case = await store.add_case(conn, new)
        await _record(conn, case, now, "opened", "new")
        await _attach_login(conn, portal, identity, case, flow)
        if former is not None:
            await _copy_files(conn, portal, former.id, case)
        await keep(conn, case)
    return case


async def _attach_login(
    conn: AsyncConnection, portal: Portal, identity: Identity, case: Case, flow: PortalFlow
) -> None:
    login = identity.session.login
    began, ended = (datetime.fromisoformat(login[name]) for name in ("began", "ended"))
    moments: dict[Moment, datetime] = {
        (flow.authenticate.label, "begin"): began,
        (flow.authenticate.label, "end"): ended,
        (flow.verify_login.label, "begin"): ended,
        (flow.verify_login.label, "end"): ended,
    }
    first, second = login["journal"]  # where the login itself stands in the journal, without a case
    steps = [
        Taken(flow.authenticate, "done", ended, {"login": first}),
        Taken(flow.verify_login, "ok", ended, {"login": second}),
    ]
    await take(conn, portal, case, steps, moments)


async def _copy_files(conn: AsyncConnection, portal: Portal, former: str, case: Case) -> None:
    for facts in await files.attachments_of(conn, former):
        sealed = await files.sealed_content(conn, former, facts.name)
        if sealed is not None:  # copies the gateway keeps by now have to be attached anew
            plain = await asyncio.to_thread(portal.sealer.open, sealed, aad(former, facts.sha256))
            again = await asyncio.to_thread(portal.sealer.seal, plain, aad(case.id, facts.sha256))
            await files.put_attachment(conn, case.id, facts, again, portal.clock.now())


async def owned(conn: AsyncConnection, account: Account, case_id: str, *, lock: bool = False) -> Case:
    """The case, if it is this citizen's. Another's is answered as one that does not exist."""
    case = await store.case(conn, case_id, lock=lock)
    if case is None or case.account_id != account.id:
        raise EgovError("case.not_found")
    return case


async def save_form(portal: Portal, account: Account, case_id: str, values: Mapping[str, Any], version: int) -> Case:
    """Replaces the form's values, if the citizen saw its newest version. EgovError form.invalid names every field."""
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        state = _edited(case)
        if version != case.form_version:
            raise EgovError("form.changed_meanwhile", current=case.form_version)
        regulation, _ = portal.regulation(case.regulation, case.regulation_version)
        if problems := form_problems(values, application_fields(regulation)):
            raise EgovError("form.invalid", errors=[_field_error(one) for one in problems])
        changes: dict[str, Any] = {"form": dict(values), "form_version": case.form_version + 1}
        return await _edit(conn, portal, case, state, event="form_saved", **changes)


def _field_error(problem: Any) -> FieldError:
    path = f"values.{problem.field}" if problem.field else "values"
    return FieldError(path, problem.code, problem.code, {"limit": problem.limit or 0})


async def attach(
    portal: Portal, account: Account, case_id: str, name: str, upload: tuple[str, bytes]
) -> tuple[Case, Attachment]:
    """Keeps a copy of a document with the application, sealed, until it is sent; one of the same name is replaced."""
    facts, sealed = await seal(portal, case_id, name, upload)
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        state = _edited(case)
        await put(conn, portal, case_id, facts, sealed)
        return await _edit(conn, portal, case, state, event="attached"), facts


async def detach(portal: Portal, account: Account, case_id: str, name: str) -> Case:
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        state = _edited(case)
        if not await files.remove_attachment(conn, case_id, name):
            raise EgovError("attachment.not_found")
        return await _edit(conn, portal, case, state, event="detached")


async def name_co_signer(portal: Portal, account: Account, case_id: str, role: str, iin: str) -> Case:
    """Who is to sign with the applicant, where the act's form asks for it; another of the same role takes his place."""
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        state = _edited(case)
        regulation, _ = portal.law_of(case)
        if declared(regulation, role) is None:
            raise EgovError("co_signer.not_in_form", regulation=regulation.code, role=role)
        if (problem := iin_problem(iin)) is not None:
            raise EgovError("request.invalid", errors=[FieldError("iin", "iin_invalid", problem)])
        if iin == case.iin:
            raise EgovError("co_signer.is_applicant")
        await void(conn, portal, case)  # before another takes his place: he is told
        await co_signatures.name(conn, case_id, role, iin)
        return await _edit(conn, portal, case, state, event="co_signer_named")


async def forget_co_signer(portal: Portal, account: Account, case_id: str, role: str) -> Case:
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        state = _edited(case)
        await void(conn, portal, case)  # before he is forgotten: he is told
        if not await co_signatures.forget(conn, case_id, role):
            raise EgovError("co_signer.not_named")
        return await _edit(conn, portal, case, state, event="co_signer_forgotten")


def _edited(case: Case) -> CaseState:
    state = after(case.state, CaseEvent.EDITED)
    if state is None:
        raise EgovError("case.wrong_state", state=case.state.value)
    return state


async def _edit(
    conn: AsyncConnection, portal: Portal, case: Case, state: CaseState, *, event: str, **changes: Any
) -> Case:
    """A changed application has no document to sign any more: what was prepared, or signed, said something else."""
    now = portal.clock.now()
    await void(conn, portal, case)
    changed = await store.change_case(conn, case, now, state=state, **NOT_PREPARED, **changes)
    await _record(conn, changed, now, event, case.state.value)
    return changed


async def _record(conn: AsyncConnection, case: Case, at: datetime, event: str, before: str) -> None:
    await records.add_record(
        conn, Record(case_id=case.id, at=at, event=event, state_before=before, state_after=case.state.value)
    )

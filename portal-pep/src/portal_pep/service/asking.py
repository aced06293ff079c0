"""Asking those who sign with the applicant: once he has signed; and telling them when there is nothing to sign."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.domain.co_signing import CoSignature, CoState
from portal_pep.domain.texts import NoticeKind
from portal_pep.service.notices import notify
from portal_pep.service.parts import Portal
from portal_pep.store import accounts
from portal_pep.store import co_signatures as store
from portal_pep.store.cases import Case


async def ask(conn: AsyncConnection, portal: Portal, case: Case, whom: Sequence[CoSignature], at: datetime) -> None:
    """Who has no account yet finds the application in his list when he has one."""
    for one in whom:
        await store.ask(conn, case.id, one.role, at)
        await _tell(conn, portal, case, one, NoticeKind.CO_SIGNATURE_ASKED)


async def void(conn: AsyncConnection, portal: Portal, case: Case) -> None:
    """The document is no more: what anybody signed of it, or was asked to sign, is nothing now."""
    named = await store.of_case(conn, case.id)
    if not any(one.state is not CoState.NAMED for one in named):
        return
    await store.unask(conn, case.id)
    for one in named:
        if one.state in (CoState.WAITING, CoState.SIGNED):
            await _tell(conn, portal, case, one, NoticeKind.CO_SIGNATURE_VOID)


async def _tell(conn: AsyncConnection, portal: Portal, case: Case, one: CoSignature, kind: NoticeKind) -> None:
    account = await accounts.account_of_iin(conn, one.iin)
    if account is None:
        return
    regulation, _ = portal.regulation(case.regulation, case.regulation_version)
    kk, ru = {"service": regulation.title_kk}, {"service": regulation.title_ru}
    await notify(conn, portal, case, kind, kk=kk, ru=ru, account_id=account.id)

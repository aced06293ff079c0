"""What the citizen sees: the request page, its history, notifications and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.files import Attachment
from egovlaw.catalogue import Regulation
from egovlaw.limits import LimitUsed, Spent, limits_used
from egovorigin.progress import ALL_RECORDS, StepSeen, steps_seen
from egovorigin.store.files import Result
from egovorigin.store.records import Record, StoredRecord
from portal_pep.domain.co_signing import CoSignature
from portal_pep.domain.states import CaseEvent
from portal_pep.domain.waiting import Awaited, awaited
from portal_pep.service.cases import owned
from portal_pep.service.parts import Portal
from portal_pep.store import co_signatures, notifications
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case, cases
from portal_pep.store.files import files
from portal_pep.store.notifications import Notice, Read
from portal_pep.store.records import records


@dataclass(frozen=True, slots=True)
class CasePage:
    case: Case
    regulation: Regulation
    attachments: Sequence[Attachment]
    steps: Sequence[StepSeen]
    limits: Sequence[LimitUsed]
    has_result: bool
    co_signers: Sequence[CoSignature]


@dataclass(frozen=True, slots=True)
class StatusCheck:
    case: Case
    regulation: Regulation
    asked_at: datetime
    told_at: datetime | None  # when the owner's last word came
    awaited: Awaited | None
    has_result: bool


Looked = Literal["result", "pdf"]


async def page(portal: Portal, account: Account, case_id: str) -> CasePage:
    async with portal.db.read() as conn:
        return await page_in(conn, portal, account, case_id)


async def page_in(conn: AsyncConnection, portal: Portal, account: Account, case_id: str) -> CasePage:
    case = await owned(conn, account, case_id)
    attached = await files.attachments_of(conn, case_id)
    happened = await records.records_of(conn, case_id, after=0, limit=ALL_RECORDS)
    result, named = await files.result_of(conn, case_id), await co_signatures.of_case(conn, case_id)
    regulation, flow = portal.regulation(case.regulation, case.regulation_version)
    limits = limits_used(flow.channel, [_spent(portal, one.record) for one in happened])
    return CasePage(case, regulation, attached, steps_seen(flow, happened), limits, result is not None, named)


def _spent(portal: Portal, record: Record) -> Spent:
    """Of a message, applied or overtaken, the gateway's receipt tells; of a step of our own our clock."""
    told = record.version is not None
    message = f"case.{record.event}" if told or record.event == CaseEvent.SUBMITTED else ""
    gateway = portal.membership.members.gateway() if told else None
    return Spent(record.step or "", record.limit_s, record.used_s, message, gateway.code if gateway else "")


async def case_list(
    portal: Portal, account: Account, *, before: str | None, limit: int, number: str | None = None
) -> tuple[list[Case], bool]:
    """One page, newest first, and whether there is another."""
    async with portal.db.read() as conn:
        found = await cases.cases_of(conn, account.id, before=before, limit=limit + 1, number=number)
    return found[:limit], len(found) > limit


async def history(
    portal: Portal, account: Account, case_id: str, *, after: int, limit: int
) -> tuple[list[StoredRecord], bool]:
    async with portal.db.read() as conn:
        await owned(conn, account, case_id)
        found = await records.records_of(conn, case_id, after=after, limit=limit + 1)
    return found[:limit], len(found) > limit


async def notices(
    portal: Portal, account: Account, *, before: str | None, limit: int, unread: bool
) -> tuple[list[Notice], bool, int]:
    """One page, newest first, whether there is another, and how many of all are unread."""
    async with portal.db.read() as conn:
        found = await notifications.notices_of(conn, account.id, before=before, limit=limit + 1, unread=unread)
        count = await notifications.unread_count(conn, account.id)
    return found[:limit], len(found) > limit, count


async def filed(portal: Portal, account: Account, case_id: str) -> tuple[Case, list[Attachment]]:
    async with portal.db.read() as conn:
        return await owned(conn, account, case_id), await files.attachments_of(conn, case_id)


async def notice(portal: Portal, account: Account, notice_id: str) -> tuple[Case, Notice]:
    """One notification and its case; reading it here does not mark it."""
    async with portal.db.read() as conn:
        found = await notifications.notice_of(conn, account.id, notice_id)
        case = None if found is None else await cases.case(conn, found.case_id)  # a co-signer's too: it is not his
        if found is None or case is None:
            raise EgovError("notification.not_found")
        return case, found


async def mark_read(portal: Portal, account: Account, notice_id: str) -> Notice:
    async with portal.db.begin() as conn:
        notice = await notifications.mark_read(conn, account.id, notice_id, portal.clock.now())
    if notice is None:
        raise EgovError("notification.not_found")
    return notice


async def mark_all_read(portal: Portal, account: Account, up_to: str) -> tuple[int, int]:
    """How many were marked, and how many have come since and are still unread."""
    async with portal.db.begin() as conn:
        marked = await notifications.mark_all_read(conn, account.id, up_to, portal.clock.now())
        return marked, await notifications.unread_count(conn, account.id)


async def result(portal: Portal, account: Account, case_id: str, what: Looked = "result") -> tuple[Case, Result]:
    """The result or the reasoned refusal. The look is recorded before anything goes out."""
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id)
        found = await files.result_of(conn, case_id)
        if found is None:
            raise EgovError("result.not_ready", state=case.state.value)
        await notifications.add_read(conn, case_id, account.id, portal.clock.now(), what)
    return case, found


async def reads(
    portal: Portal, account: Account, case_id: str, *, before: int | None, limit: int
) -> tuple[list[Read], bool]:
    async with portal.db.read() as conn:
        await owned(conn, account, case_id)
        found = await notifications.reads_of(conn, case_id, before=before, limit=limit + 1)
    return found[:limit], len(found) > limit


async def check_status(portal: Portal, account: Account, case_id: str) -> StatusCheck:
    """ "Обновить статус" (act 427, cl. 9 8)): the newest state, and a record that the applicant has looked."""
    now = portal.clock.now()
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id)
        await notifications.add_read(conn, case_id, account.id, now, "status")
        told_at = await records.owners_last(conn, case_id)
        result = await files.result_of(conn, case_id)
    regulation, flow = portal.regulation(case.regulation, case.regulation_version)
    return StatusCheck(case, regulation, now, told_at, awaited(case.state, case.step, flow), result is not None)

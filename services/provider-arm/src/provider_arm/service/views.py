"""Looking: a case, its files, its history; and, for the head, who looked and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.attachments import Claim
from egovkit.errors import EgovError
from egovkit.journal import JournalRow, read_rows
from egovlaw.catalogue import Channel
from egovlaw.kinds import message_name
from egovlaw.limits import LimitUsed, Spent, limits_used
from provider_arm.domain.cases import SEES_APPLICANT, Application, Case, Staff, Task, TaskState, read_application
from provider_arm.domain.co_signing import CoSignature
from provider_arm.domain.own import OwnCase
from provider_arm.domain.registers import RegisterQuery
from provider_arm.service import work
from provider_arm.service.context import Workstation
from provider_arm.store import cases, co_signatures, oversight, pages, people, registers, tasks, terms
from provider_arm.store.paging import Page

NO_REASON = "-"  # the reader said nothing and holds no task of the case: the head will want to ask


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case as one reader may see it: `application` and `answer` are None where he sees a masked one."""

    case: Case
    masked: bool
    application: Application | None
    signed: cases.Lodged | None
    answer: cases.Outgoing | None
    hand_over: cases.HandOver | None
    tasks: list[Task]
    names: Mapping[str, str]
    registers: list[RegisterQuery]  # without what they said, where the case is masked
    term: terms.CaseTerm | None
    escalated_at: datetime | None  # of that term
    limits: list[LimitUsed]
    co_signed: list[CoSignature]  # empty where the case is masked


async def list_cases(
    ws: Workstation, person: Staff, wanted: cases.CaseFilter, page: Page
) -> tuple[list[Case], str | None]:
    async with ws.db.read() as conn:
        return await cases.listed(conn, person, wanted, page)


async def open_case(ws: Workstation, person: Staff, case_id: str, why: str | None) -> CaseFile:
    """The case. Whoever sees the applicant leaves a trace of having looked, in the same transaction."""
    async with ws.db.begin() as conn:
        case = await work.visible_case(conn, person, case_id)
        of_case, asked = await tasks.of_case(conn, case_id), await registers.of_case(conn, case_id)
        ids = {one for task in of_case if (one := task.assignee)} | ({case.changed_by} if case.changed_by else set())
        names = await people.names(conn, ids)
        times = await terms.get(conn, case_id), await terms.escalated_at(conn, case_id), await _limits(ws, conn, case)
        if not person.roles & SEES_APPLICANT:
            bare = [replace(query, entries=None) for query in asked]
            return CaseFile(case, True, None, None, None, None, of_case, names, bare, *times, [])
        await record_read(ws, conn, person, case, ("case", why or _work_at_hand(person, of_case)))
        signed, others = await cases.application(conn, case_id), await co_signatures.of_case(conn, case_id)
        answer, handed = await cases.outgoing_document(conn, case_id), await cases.hand_over(conn, case_id)
        shown = (read_application(signed.document), signed, answer, handed)
        return CaseFile(case, False, *shown, of_case, names, asked, *times, others)


async def _limits(ws: Workstation, conn: AsyncConnection, case: Case) -> list[LimitUsed]:
    """As our journal has them: of steps of ours, and of messages we sent or got."""
    regulation = ws.procedures.regulation(case.regulation, case.regulation_version)
    channel = None if regulation is None else regulation.channels.get(case.channel)
    if channel is None:
        return []
    rows = await read_rows(conn, ws.journal.tables, case_id=case.id, bodies=ws.journal.bodies)
    told = [row.facts for row in in_time(rows) if row.kind in ("step", "envelope")]
    return limits_used(channel, [_spent(channel, facts) for facts in told if facts.get("step")])


def _spent(channel: Channel, facts: Mapping[str, Any]) -> Spent:
    """What we did on a step that has a message ended with sending it."""
    item = channel.item(facts["step"])
    own = None if item is None else item.kind.message
    message = message_name(facts["type"]) if facts.get("type") else own
    return Spent(facts["step"], facts.get("limit_s"), facts.get("used_s"), message or "")


def in_time(rows: list[JournalRow]) -> list[JournalRow]:
    return sorted(rows, key=lambda row: (row.time, row.writer, row.position))


async def attachment(
    ws: Workstation, person: Staff, case_id: str, sha256: str, why: str | None
) -> tuple[Mapping[str, Any], bytes]:
    """One attached file, fetched now and checked against the hash the applicant signed."""
    if not person.roles & SEES_APPLICANT:
        raise EgovError("staff.role_not_enough", needed=sorted(SEES_APPLICANT), have=sorted(person.roles))
    async with ws.db.begin() as conn:
        case = await work.visible_case(conn, person, case_id)
        found = next((one for one in case.attachments if one["sha256"] == sha256), None)
        if found is None:
            raise EgovError("attachment.not_of_case", sha256=sha256)
        # Recorded before the bytes go out: a read that failed half-way was still an attempt to read.
        reason = why or _work_at_hand(person, await tasks.of_case(conn, case_id))
        await record_read(ws, conn, person, case, (f"attachment {sha256[:16]}", reason))
    return found, await ws.attachments.fetch(Claim(case_id, sha256, found["size"]))


async def page(ws: Workstation, person: Staff, case_id: str, why: str | None) -> tuple[Case, str, bytes]:
    """The result's page as it was signed, with its SHA-256. EgovError result.page_absent."""
    if not person.roles & SEES_APPLICANT:
        raise EgovError("staff.role_not_enough", needed=sorted(SEES_APPLICANT), have=sorted(person.roles))
    async with ws.db.begin() as conn:
        case = await work.visible_case(conn, person, case_id)
        facts, pdf = await pages.facts_of(conn, case_id), await pages.pdf_of(conn, case_id)
        if facts is None or pdf is None:
            raise EgovError("result.page_absent")
        reason = why or _work_at_hand(person, await tasks.of_case(conn, case_id))
        await record_read(ws, conn, person, case, ("result.pdf", reason))
    return case, facts.sha256, pdf


async def history(ws: Workstation, person: Staff, case_id: str) -> tuple[list[JournalRow], dict[str, str]]:
    """The case in our own journal, row by row, with the names of those who acted."""
    async with ws.db.read() as conn:
        await work.visible_case(conn, person, case_id)
        rows = await read_rows(conn, ws.journal.tables, case_id=case_id, bodies=ws.journal.bodies)
        actors = {str(row.facts["by"]) for row in rows if row.facts.get("by")}
        names = await people.names(conn, actors)
    return in_time(rows), names


async def reads(
    ws: Workstation, person: Staff, page: Page, *, case_id: str | None, staff_id: str | None
) -> tuple[list[oversight.Read], str | None, dict[str, str]]:
    work.require_oversight(person)
    async with ws.db.read() as conn:
        found, after = await oversight.list_reads(conn, person, page, case_id=case_id, staff_id=staff_id)
        names = await people.names(conn, {read.staff_id for read in found})
    return found, after, names


async def incidents(ws: Workstation, person: Staff, page: Page) -> tuple[list[oversight.Incident], str | None]:
    work.require_oversight(person)
    async with ws.db.read() as conn:
        return await oversight.list_incidents(conn, person, page)


async def late(
    ws: Workstation, person: Staff, page: Page, *, everything: bool
) -> tuple[list[terms.Late], str | None, dict[str, str]]:
    """Terms that passed unheeded."""
    work.require_oversight(person)
    async with ws.db.read() as conn:
        found, after = await terms.list_late(conn, person, page, everything=everything)
        names = await people.names(conn, {one.assignee for one in found if one.assignee})
    return found, after, names


def _work_at_hand(person: Staff, of_case: list[Task]) -> str:
    held = [task for task in of_case if task.assignee == person.id and task.state is TaskState.TAKEN]
    return f"task {held[0].kind.value}" if held else NO_REASON


async def record_read(
    ws: Workstation, conn: AsyncConnection, person: Staff, case: Case | OwnCase, look: tuple[str, str]
) -> None:
    what, why = look
    read = oversight.Read(
        id=ws.ids.new(),
        at=ws.clock.now(),
        staff_id=person.id,
        case_id=case.id,
        region=case.region,
        provider=case.provider,
        what=what,
        why=why,
    )
    await oversight.record_read(conn, read)

"""Extending, pausing and resuming the term of a case: the head's word, told to the applicant with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from egovkit.errors import EgovError
from egovlaw.terms import Reason, Term, TermRefused
from provider_arm.domain.cases import RULES_TERMS, Case, Staff
from provider_arm.service import timers, work
from provider_arm.service.context import Workstation, stamp
from provider_arm.store import cases, terms

RESUMED = Reason("Течение срока оказания услуги возобновлено", "Қызмет көрсету мерзімінің өтуі қайта басталды")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a term: the message that tells of it, and how it is reckoned."""

    message: str
    reason: Reason
    apply: Callable[[Term, datetime], Term]


async def extend(
    ws: Workstation, person: Staff, case_id: str, until: datetime | int, reason: Reason, *, expected: int | None
) -> Case:
    """Until a moment, or by so many working days."""

    def apply(term: Term, now: datetime) -> Term:
        moment = until
        if isinstance(moment, int):
            worked = timedelta(hours=ws.calendar.hours_per_day * moment)
            moment = ws.calendar.add_working_time(max(term.due(ws.calendar), now), worked)
        return term.extend(ws.calendar, moment, reason, now)

    return await _change(ws, person, case_id, Change("case.extended", reason, apply), expected)


async def pause(ws: Workstation, person: Staff, case_id: str, reason: Reason, *, expected: int | None) -> Case:
    change = Change("case.paused", reason, lambda term, now: term.pause(reason, now))
    return await _change(ws, person, case_id, change, expected)


async def resume(ws: Workstation, person: Staff, case_id: str, *, expected: int | None) -> Case:
    change = Change("case.resumed", RESUMED, lambda term, now: term.resume(now))
    return await _change(ws, person, case_id, change, expected)


async def _change(ws: Workstation, person: Staff, case_id: str, change: Change, expected: int | None) -> Case:
    """Term, journal, message and deadlines in one transaction; of two heads at once one is told of the conflict."""
    if not person.roles & RULES_TERMS:
        raise EgovError("staff.role_not_enough", needed=sorted(RULES_TERMS), have=sorted(person.roles))
    async with ws.db.begin() as conn:
        case = await work.visible_case(conn, person, case_id, lock=True)
        if expected is not None and expected != case.version:
            raise await ws.conflict(conn, case)
        kept, now = await terms.get(conn, case_id), ws.clock.now()
        if kept is None:
            raise EgovError("term.none", regulation=case.regulation, channel=case.channel)
        try:
            changed = replace(kept, term=change.apply(kept.term, now))
        except TermRefused as refused:
            raise EgovError(refused.code, **refused.facts) from None
        await terms.keep(conn, changed)
        if not await cases.change(conn, case, {"changed_at": now, "changed_by": person.id}):
            raise await ws.conflict(conn, await work.reloaded(conn, case))
        after = await work.reloaded(conn, case)
        due = stamp(changed.term.due(ws.calendar))
        facts = {"due_at": due, "clause": kept.clause, "term": kept.duration}
        reasons = {"reason_ru": change.reason.ru, "reason_kk": change.reason.kk}
        await ws.journal_action(conn, change.message, case_id, by=person.id, **reasons, **facts)
        await timers.follow(ws, conn, after, kept.term, changed)
        until = {} if change.message == "case.paused" else {"until": due}
        await _tell(ws, conn, after, change.message, {**reasons, **until, "at": stamp(now)})
        return after


async def _tell(ws: Workstation, conn: Any, case: Case, message: str, data: Mapping[str, Any]) -> None:
    """Where the act's channel has the message (E3)."""
    procedure = ws.procedures.find(case.regulation, case.channel, case.regulation_version)
    if procedure is None or not procedure.may_tell(message, procedure.held):
        return
    told = {"number": case.number, "version": case.version, **data}
    await ws.tell_origin(conn, case, message, step=procedure.held.label, data=told)

"""A commission's opinion on a case, given before the decision (A23, A32)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovlaw.catalogue import Regulation
from provider_arm.domain.cases import ENDED, Case, Role, Staff
from provider_arm.service import work
from provider_arm.service.context import Workstation
from provider_arm.store import opinions

GIVES_OPINION = frozenset({Role.COMMISSION})


@dataclass(frozen=True, slots=True)
class Opinion:
    positive: bool
    text_ru: str
    text_kk: str


async def give(ws: Workstation, person: Staff, case_id: str, opinion: Opinion) -> Case:
    """Once for a case, by a member of the commission, before the case is decided."""
    if not person.roles & GIVES_OPINION:
        raise EgovError("staff.role_not_enough", needed=sorted(GIVES_OPINION), have=sorted(person.roles))
    async with ws.db.begin() as conn:
        case = await work.visible_case(conn, person, case_id, lock=True)
        if commission_of(ws.procedures.required(case.regulation, case.regulation_version)) is None:
            raise EgovError("decision.no_commission", regulation=case.regulation)
        if case.decision is not None or case.state in ENDED:
            raise await ws.conflict(conn, case)
        values = {"positive": opinion.positive, "text_ru": opinion.text_ru, "text_kk": opinion.text_kk}
        if not await opinions.add(conn, case_id, values, (person.id, ws.clock.now())):
            raise EgovError("decision.opinion_given")
        await ws.journal_action(conn, "commission.opinion", case_id, by=person.id, positive=opinion.positive)
        return case


def commission_of(regulation: Regulation) -> str | None:
    """`required` or `optional` where the act speaks of a commission's opinion."""
    setting = regulation.settings.get("commission")
    return None if setting is None else str(setting.value)


async def require(conn: AsyncConnection, regulation: Regulation, case: Case) -> None:
    """Where the act has a commission decide, nobody decides before it."""
    if commission_of(regulation) == "required" and await opinions.of_case(conn, case.id) is None:
        raise EgovError("decision.opinion_missing")

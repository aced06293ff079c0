"""Notifications: what the applicant is told, in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from egovorigin.domain.states import POSITIVE, BusEvent
from egovorigin.origin import KAZAKHSTAN, Origin, Turn
from portal_pep.domain.notifications import told_of_extension
from portal_pep.domain.texts import NoticeKind, notice_text
from portal_pep.store import notifications
from portal_pep.store.cases import Case
from portal_pep.store.notifications import Notice


async def notify(
    conn: AsyncConnection,
    portal: Origin[Case, Any],
    case: Case,
    kind: NoticeKind,
    *,
    kk: Mapping[str, str] | None = None,
    ru: Mapping[str, str] | None = None,
    account_id: str | None = None,
) -> None:
    """One notification to the case's applicant, or to another account; `kk` and `ru` fill the places of its text."""
    text = notice_text(kind, kk or {}, ru or kk or {})
    await notifications.add_notice(
        conn,
        Notice(
            id=portal.ids.new(),
            account_id=account_id or case.account_id,
            case_id=case.id,
            kind=kind.value,
            text_kk=text.kk,
            text_ru=text.ru,
            text_en=text.en,
            created_at=portal.clock.now(),
            read_at=None,
        ),
    )


@dataclass(frozen=True, slots=True)
class Telling:
    """A notification that a message makes: its kind, and what fills the places of its text in each language."""

    kind: NoticeKind
    kk: Mapping[str, str] = field(default_factory=dict)
    ru: Mapping[str, str] = field(default_factory=dict)


_TERMS: Final = {
    BusEvent.EXTENDED: NoticeKind.EXTENDED,
    BusEvent.PAUSED: NoticeKind.PAUSED,
    BusEvent.RESUMED: NoticeKind.RESUMED,
}


async def tell(portal: Origin[Case, Any], turn: Turn[Case], now: Case, *, applied: bool) -> None:
    """What the bus told of the case. The applicant hears of the number once, whichever message brings it first."""
    if turn.case.number is None and now.number is not None and not (applied and turn.news.event is BusEvent.REGISTERED):
        number = {"number": now.number}
        await notify(turn.conn, portal, now, NoticeKind.REGISTERED, kk=number, ru=number)
    said = _telling(BusEvent(turn.news.event), turn.received.data) if applied else None
    if said is not None and _is_told(portal, turn.case, said.kind):
        await notify(turn.conn, portal, now, said.kind, kk=said.kk, ru=said.ru)


def _is_told(portal: Origin[Case, Any], case: Case, kind: NoticeKind) -> bool:
    regulation = portal.catalogue.regulation(case.regulation, case.regulation_version)
    return kind is not NoticeKind.EXTENDED or told_of_extension(regulation)


def _telling(event: BusEvent, data: Mapping[str, Any]) -> Telling:
    match event:
        case BusEvent.GATEWAY_ACCEPTED:
            return Telling(NoticeKind.ACCEPTED)
        case BusEvent.GATEWAY_REFUSED | BusEvent.GATEWAY_CLOSED:
            kk, ru = ({"problem": data["problem"][f"title_{language}"]} for language in ("kk", "ru"))
            return Telling(NoticeKind.GATEWAY_REFUSED, kk, ru)
        case BusEvent.REGISTERED:
            number = {"number": data["number"]}
            return Telling(NoticeKind.REGISTERED, number, number)
        case BusEvent.STATUS:
            return Telling(NoticeKind.STATUS, {"text": data["text_kk"]}, {"text": data["text_ru"]})
        case BusEvent.EXTENDED | BusEvent.PAUSED | BusEvent.RESUMED:
            # A term that runs is told with its end; one that is paused has none yet.
            until = datetime.fromisoformat(data["until"]).astimezone(KAZAKHSTAN).date() if "until" in data else None
            shown = {} if until is None else {"until": f"{until:%d.%m.%Y}"}
            return Telling(_TERMS[event], {"text": data["reason_kk"], **shown}, {"text": data["reason_ru"], **shown})
        case BusEvent.REFUSED:
            return Telling(NoticeKind.REFUSED)
        case BusEvent.COMPLETED:
            return Telling(NoticeKind.COMPLETED if data.get("outcome", POSITIVE) == POSITIVE else NoticeKind.REFUSED)

"""Who read my data: reads in the registers, with requester, purpose, step and clause."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AwareDatetime

from egovkit.declared import keyed, refuses
from egovkit.envelope import NOT_APPLICABLE
from egovkit.idempotency import Answer
from egovkit.membership import Member
from egovkit.routes import Routes
from egovlaw.catalogue import Regulation
from egovorigin.api import PAGE, Cursor, Key, Limit, Shown, Text, cursor_of, kept, key_of, model_answer
from egovorigin.origin import Keep
from egovorigin.shown import ServiceName, text_shown
from portal_pep.api.base import Confirmed, ThePortal, once
from portal_pep.domain.data_reads import OUTCOME_TEXTS, STATE_TEXTS, DataRead
from portal_pep.service import data_reads
from portal_pep.service.data_reads import RegisterState
from portal_pep.service.parts import Portal
from portal_pep.store.data_reads import ReadFilter

router = Routes(prefix="/v1/data-reads", tags=["data-reads"])


class SystemName(Shown):
    """A participant of the bus; its names are null when ШЭП's list has it no more."""

    code: str
    name_kk: str | None
    name_ru: str | None


class Requester(SystemName):
    """`official`: who asked, as the asking system knows its staff: an identifier, never a name."""

    official: str


class Ground(Shown):
    """What the read rests on: the clause as the asker named it, the act, and the text of the step at which it stands.
    All but the clause are null where the read was for no service."""

    clause: str
    step: str | None
    text_ru: str | None
    act_number: str | None
    act_date: str | None


class DataReadShown(Shown):
    """`holder`: the register; `outcome`: answered, refused by it, expired (nothing was given), or shown to its
    administrator; `found`: how many records, null when nothing was looked up; `criterion`: the fields asked by."""

    id: str
    at: datetime
    holder: SystemName
    requester: Requester
    purpose_ru: str
    service: ServiceName | None
    case: str | None
    channel: str | None
    ground: Ground
    criterion: str
    outcome: str
    text: Text
    found: int | None


class RegisterShown(Shown):
    """`holder`: the register; `state` of the last question: never_asked, waiting, answered, no_answer, unusable, or
    refused by a gateway with `problem`. `told_at`: until when its reads are known; null before its first answer."""

    holder: SystemName
    state: str
    text: Text
    asked_at: datetime | None
    told_at: datetime | None
    problem: dict[str, Any] | None


class RegistersShown(Shown):
    registers: list[RegisterShown]


class DataReadList(RegistersShown):
    """What is known; `registers` says of each how fresh that is, and which did not answer."""

    items: list[DataReadShown]
    next: str | None


RegisterCode = Annotated[str | None, Query(max_length=64, description="reads in this register only")]
Since = Annotated[AwareDatetime | None, Query(description="reads of this moment and later")]
Until = Annotated[AwareDatetime | None, Query(description="reads before this moment")]


@router.get("")
@refuses("request.cursor_invalid")
async def list_data_reads(
    *,
    portal: ThePortal,
    identity: Confirmed,
    register: RegisterCode = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> DataReadList:
    """Newest first, as the registers told them last. POST asks them anew."""
    wanted = ReadFilter(register, since, until)
    found, more, states = await data_reads.shown(portal, identity.account, wanted, before=key_of(cursor), limit=limit)
    return DataReadList(
        items=[_read(portal, one) for one in found],
        registers=[_register(one) for one in states],
        next=cursor_of(found[-1].id) if more else None,
    )


@router.post("", status_code=202, response_model=RegistersShown)
@keyed
async def ask_data_reads(*, request: Request, portal: ThePortal, identity: Confirmed, key: Key = None) -> Response:
    """Asks every register over the bus; GET shows what it told when that has come. A register that still has a question
    of yours is not asked again."""

    async def work(keep: Keep[list[RegisterState]]) -> object:
        return await data_reads.ask(portal, identity.account, keep)

    return await once(request, identity, kept(_asked, work))


def _asked(states: list[RegisterState]) -> Answer:
    return model_answer(202, RegistersShown(registers=[_register(one) for one in states]))


def _register(state: RegisterState) -> RegisterShown:
    asked = state.asked
    return RegisterShown(
        holder=_system(state.code, state.member),
        state=state.state.value,
        text=text_shown(STATE_TEXTS[state.state]),
        asked_at=None if asked is None else asked.asked_at,
        told_at=None if asked is None else asked.told_at,
        problem=None if asked is None or asked.problem is None else dict(asked.problem),
    )


def _read(portal: Portal, read: DataRead) -> DataReadShown:
    told, members = read.told, portal.membership.members
    regulation = portal.catalogue.regulation(told["regulation"])
    requester = _system(told["source"], members.get(told["source"]))
    return DataReadShown(
        id=read.id,
        at=read.at,
        holder=_system(read.register, members.get(read.register)),
        requester=Requester(**requester.model_dump(), official=told["official"]),
        purpose_ru=told["purpose_ru"],
        service=None if regulation is None else _service(regulation),
        case=told.get("case"),
        channel=_given(told["channel"]),
        ground=_ground(told, regulation),
        criterion=told["criterion"],
        outcome=told["outcome"],
        text=text_shown(OUTCOME_TEXTS[told["outcome"]]),
        found=told.get("found"),
    )


def _ground(told: Any, regulation: Regulation | None) -> Ground:
    channel = None if regulation is None else regulation.channels.get(told["channel"])
    item = None if channel is None else channel.item(told["step"])
    return Ground(
        clause=told["clause"],
        step=_given(told["step"]),
        text_ru=None if item is None else item.text_ru,
        act_number=None if regulation is None else regulation.act.number,
        act_date=None if regulation is None else regulation.act.date.isoformat(),
    )


def _service(regulation: Regulation) -> ServiceName:
    return ServiceName(
        regulation=regulation.code,
        version=regulation.version,
        title_kk=regulation.title_kk,
        title_ru=regulation.title_ru,
        region=regulation.region,
    )


def _system(code: str, member: Member | None) -> SystemName:
    if member is None:
        return SystemName(code=code, name_kk=None, name_ru=None)
    return SystemName(code=code, name_kk=member.name_kk, name_ru=member.name_ru)


def _given(text: str) -> str | None:
    return None if text == NOT_APPLICABLE else text

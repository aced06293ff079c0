"""Questions to the akimat's own register while a case is considered: asked, answered, and asked again.

A register that is silent, late or answers garbage is a technical error (E1): it refuses nobody, and the question may be
repeated. What it answered in time decides values of the result; nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovkit.errors import EgovError, FieldError
from egovkit.inbox import Received
from egovkit.log import get_logger
from egovkit.outbox import Draft
from egovlaw.catalogue import Limit, Regulation
from egovlaw.kinds import message_type
from provider_arm.domain.cases import ENDED, Case, CaseState, Staff, StepKind
from provider_arm.domain.own import QueryState
from provider_arm.domain.registers import RegisterQuery, Use, decided_values
from provider_arm.service import work
from provider_arm.service.actors import require_role
from provider_arm.service.context import Workstation, ingress
from provider_arm.service.procedure import NOT_MEASURED, Measured, Procedure
from provider_arm.store import cases
from provider_arm.store import registers as store

AKIMAT_REGISTER: Final = "akimat_register"  # a kind of participant, and the setting that names the act's register
QUERY, ANSWER = "query.register", "answer.register"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """The register an act's service stands on."""

    name: str
    use: Use
    automated: bool


@dataclass(frozen=True, slots=True)
class RegisterWish:
    """`person_iin`: the applicant, unless the application is for somebody else, as a parent's for his child."""

    person_iin: str | None = None
    category: str | None = None
    family_size: int | None = None


def setting_of(regulation: Regulation) -> Setting | None:
    found = regulation.settings.get(AKIMAT_REGISTER)
    if found is None or not isinstance(found.value, Mapping):
        return None
    return Setting(found.value["name"], Use(found.value["use"]), bool(found.value["automated"]))


async def ask(ws: Workstation, person: Staff, case_id: str, wish: RegisterWish, expected: int | None) -> RegisterQuery:
    """One question by the executor. EgovError register_query.not_foreseen | .too_early | query.still_waiting."""
    require_role(person, StepKind.CHECK_DOCUMENTS)
    async with ws.db.begin() as conn:
        case = await work.visible_case(conn, person, case_id, lock=True)
        if case.state in ENDED or (expected is not None and expected != case.version):
            raise await ws.conflict(conn, case)
        procedure, setting = _foreseen(ws, case)
        if setting.use is Use.ENQUEUE and case.state is not CaseState.AWAITING_RESULT:
            raise EgovError("register_query.too_early", state=case.state.value)
        _require_sense(wish, setting)
        now = ws.clock.now()
        for query in await store.of_case(conn, case.id):
            if query.state_at(now) is QueryState.WAITING:
                left = max(0, round((query.due_at - now).total_seconds()))
                raise EgovError("query.still_waiting", registers=query.register, left_s=left)
        return await _ask(_Asking(ws, conn, case, procedure, setting), wish, person.id)


async def ask_by_itself(ws: Workstation, conn: AsyncConnection, procedure: Procedure, case: Case) -> None:
    """A fully automated service asks as soon as the case is registered; who signs the answer is a person all the same.
    A register that is not there is asked later, by the executor."""
    setting = setting_of(procedure.regulation)
    if setting is None or not setting.automated or not procedure.may_tell(QUERY, procedure.held):
        return
    try:
        await _ask(_Asking(ws, conn, case, procedure, setting), RegisterWish(), None)
    except EgovError as error:
        if error.code != "register_query.register_absent":
            raise
        _log.warning("register.not_asked", case=case.id, code=error.code)


@dataclass(frozen=True, slots=True)
class _Asking:
    ws: Workstation
    conn: AsyncConnection
    case: Case
    procedure: Procedure
    setting: Setting

    @property
    def limit(self) -> Limit | None:
        """The act's term for the answer, where it gives one."""
        held = self.procedure.held.label
        found = (one for one in self.procedure.channel.limits if one.label == held)
        return next((one for one in found if (one.stops_on.kind, one.stops_on.name) == ("message", ANSWER)), None)

    @property
    def measured(self) -> Measured:
        limit = self.limit
        return NOT_MEASURED if limit is None else Measured(float(limit.max_s), None, limit.clause, None)


def _foreseen(ws: Workstation, case: Case) -> tuple[Procedure, Setting]:
    procedure = ws.procedures.find(case.regulation, case.channel, case.regulation_version)
    setting = setting_of(ws.procedures.required(case.regulation, case.regulation_version))
    if procedure is None or setting is None or not procedure.may_tell(QUERY, procedure.held):
        raise EgovError("register_query.not_foreseen", regulation=case.regulation, channel=case.channel)
    return procedure, setting


def _require_sense(wish: RegisterWish, setting: Setting) -> None:
    names = [name for name in ("category", "family_size") if getattr(wish, name) is not None]
    if names and setting.use is not Use.ENQUEUE:
        errors = [FieldError(name, "not_allowed", "belongs to a queue") for name in names]
        raise EgovError("request.invalid", errors=errors)


async def _ask(asking: _Asking, wish: RegisterWish, staff_id: str | None) -> RegisterQuery:
    ws, case, item, limit = asking.ws, asking.case, asking.procedure.held, asking.limit
    now, iin = ws.clock.now(), wish.person_iin or case.applicant_iin
    due = now + (ws.register_patience if limit is None else timedelta(seconds=limit.max_s))
    more = {name: value for name in ("category", "family_size") if (value := getattr(wish, name)) is not None}
    data = {
        "register": asking.setting.name,
        "operation": asking.setting.use.operation,
        "person_iin": iin,
        **more,
        "official": staff_id or ws.code,
        "purpose_ru": asking.procedure.regulation.title_ru[:500],
        "clause": item.clause,
        "trail": [],  # the case stands on this step already
    }
    envelope = await _send(asking, data, due - now)
    query = RegisterQuery(
        id=envelope.id,
        case_id=case.id,
        asked=envelope.recipient,
        register=asking.setting.name,
        operation=asking.setting.use.operation,
        person_iin=iin,
        state=QueryState.WAITING,
        asked_at=now,
        asked_by=staff_id,
        clause=item.clause,
        due_at=due,
        limit_s=None if limit is None else limit.max_s,
        answered_at=None,
        entries=None,
        problem=None,
    )
    await store.add(asking.conn, query)
    states, by = (item.kind.state, item.kind.state), {} if staff_id is None else {"by": staff_id}
    await ws.note_envelope(asking.conn, envelope, item, states=states, outcome="done", measured=asking.measured, **by)
    return query


async def _send(asking: _Asking, data: Mapping[str, Any], patience: timedelta) -> Envelope:
    ws, case = asking.ws, asking.case
    draft = Draft(
        type=message_type(QUERY),
        case=case.id,
        recipient=_register(ws, case),
        regulation=case.regulation,
        channel=case.channel,
        step=asking.procedure.held.label,
        region=case.region,
        data=data,
        queue=ingress(case.region),
        causation=case.envelope_id,
        expires=ws.clock.now() + patience,
    )
    return await ws.outbox.send(asking.conn, draft)


def _register(ws: Workstation, case: Case) -> str:
    """The code of the active register of the case's region, as ШЭП's list has it."""
    member = ws.membership.members.serving(AKIMAT_REGISTER, case.regulation, case.region)
    if member is None:
        raise EgovError("register_query.register_absent", regulation=case.regulation, region=case.region)
    return member.code


async def take_answer(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    """Every answer is recorded; only the one that came in time and is about what was asked is kept."""
    envelope = received.envelope
    question = envelope.correlationid or "-"
    query = await store.get(conn, question)
    case = await cases.get(conn, envelope.subject)
    if query is None or case is None or (query.case_id, query.asked) != (case.id, envelope.source):
        raise EgovError("order.answer_unasked", source=envelope.source, question=question)
    if query.answered_at is not None:
        raise EgovError("order.already_answered", source=envelope.source, question=question)
    procedure, setting = _foreseen(ws, case)
    told = max((received.at, *(receipt.received for receipt in received.receipts)))
    state = QueryState.ANSWERED if query.accepts(received.data) else QueryState.UNUSABLE
    state = QueryState.LATE_ANSWER if query.is_late(told) else state
    kept = {"entries": received.data["entries"]} if state is QueryState.ANSWERED else {}
    await store.settle(conn, query.id, state, at=told, **kept)
    item, asking = procedure.held, _Asking(ws, conn, case, procedure, setting)
    measured = asking.measured
    if measured is not NOT_MEASURED:
        measured = replace(measured, used_s=round((told - query.asked_at).total_seconds(), 3))
    await ws.note_envelope(
        conn,
        envelope,
        item,
        states=(item.kind.state, item.kind.state),
        outcome=state.value,
        measured=measured,
        sha256=received.wire.sha256,
        question=query.id,
    )


async def refuse(ws: Workstation, conn: AsyncConnection, envelope_id: str, problem: Mapping[str, Any]) -> bool:
    """A gateway refused a question of ours; False when the envelope was none."""
    query = await store.get(conn, envelope_id)
    if query is None:
        return False
    if query.state is QueryState.WAITING:
        await store.settle(conn, query.id, QueryState.REFUSED, problem=problem)
        await ws.journal_action(
            conn, "query.refused", query.case_id, envelope=envelope_id, code=problem["code"], hop=problem["hop"]
        )
    return True


async def with_decided(
    conn: AsyncConnection, regulation: Regulation, case: Case, typed: Mapping[str, str | int | bool]
) -> dict[str, str | int | bool]:
    """The values of a result: those typed, and those the register decides, which nobody types."""
    setting = setting_of(regulation)
    if setting is None:
        return dict(typed)
    decided = decided_values(setting.use, await store.of_case(conn, case.id))
    if twice := sorted(typed.keys() & decided.keys()):
        errors = [FieldError(f"values.{name}", "not_allowed", "the register has decided it") for name in twice]
        raise EgovError("request.invalid", errors=errors)
    return {**typed, **decided}

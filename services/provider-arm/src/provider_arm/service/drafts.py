"""A case of the provider's own channel on its way to registration: opened, filled in, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovkit.files import Attachment, describe, require_room
from egovlaw.catalogue import FlowItem
from egovlaw.forms import application_fields
from egovlaw.identifiers import iin_problem
from provider_arm.domain.cases import Staff
from provider_arm.domain.own import WORKS_AT_DESK, OwnCase, OwnEvent, OwnState
from provider_arm.service.context import Keep, Workstation, trail_step
from provider_arm.service.own_flow import OwnFlow, own_flow_of
from provider_arm.service.procedure import NOT_MEASURED, Measured
from provider_arm.store import own, people

NOTHING_PREPARED: Mapping[str, None] = {"document": None, "certificate": None, "prepared_at": None}


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing happening to one draft, in one transaction, at one moment. `by`: the official, None for the bus."""

    ws: Workstation
    conn: AsyncConnection
    draft: OwnCase
    flow: OwnFlow
    now: datetime
    by: str | None

    @staticmethod
    def of(ws: Workstation, conn: AsyncConnection, draft: OwnCase, by: str | None) -> Turn:
        return Turn(ws, conn, draft, flow_of(ws, draft), ws.clock.now(), by)

    @property
    def by_whom(self) -> dict[str, str]:
        return {} if self.by is None else {"by": self.by}

    async def step(
        self,
        item: FlowItem,
        outcome: str = "done",
        *,
        measured: Measured = NOT_MEASURED,
        at: datetime | None = None,
        **more: object,
    ) -> dict[str, Any]:
        """A local step into our chain; what the trail says of it."""
        states = (self.flow.procedure.state_before(item), item.kind.state)
        link = await self.ws.journal_step(
            self.conn,
            self.draft.id,
            item,
            states=states,
            outcome=outcome,
            measured=measured,
            at=at,
            **self.by_whom,
            **more,
        )
        return trail_step(item, outcome, at or self.now, link)

    def allows(self, event: OwnEvent) -> bool:
        return (self.draft.state, event) in self.flow.transitions

    async def move(self, event: OwnEvent, **values: Any) -> OwnCase:
        """Compare-and-set to the state the table gives, with what else changes."""
        after = self.flow.transitions.get((self.draft.state, event))
        if after is None:
            raise EgovError("own_case.wrong_state", state=self.draft.state.value)
        return await self.change(state=after.value, **values)

    async def change(self, **values: Any) -> OwnCase:
        if not await own.change(self.conn, self.draft, {"changed_at": self.now, **values}):
            raise _changed(self.draft)
        found = await own.get(self.conn, self.draft.id)
        assert found is not None, "a draft is never deleted"
        return found


def flow_of(ws: Workstation, draft: OwnCase) -> OwnFlow:
    """The law a draft began with."""
    flow = own_flow(ws, draft.regulation)
    now = flow.procedure.regulation.version
    if now != draft.regulation_version:
        raise EgovError("case.regulation_changed", began=draft.regulation_version, now=now)
    return flow


def own_flow(ws: Workstation, regulation: str) -> OwnFlow:
    flow = own_flow_of(ws.procedures, regulation)
    if flow is None:
        raise EgovError("own_case.service_unknown", regulation=regulation[:80])
    return flow


def require_desk(person: Staff) -> None:
    if not person.roles & WORKS_AT_DESK:
        raise EgovError("staff.role_not_enough", needed=sorted(WORKS_AT_DESK), have=sorted(person.roles))


async def visible(conn: AsyncConnection, person: Staff, case_id: str, *, lock: bool = False) -> OwnCase:
    require_desk(person)
    draft = await own.get(conn, case_id, lock=lock)
    if draft is None or not draft.seen_by(person):
        raise EgovError("own_case.unknown")
    return draft


async def at_work(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, expected: int | None = None
) -> Turn:
    """The turn of who the draft belongs to; the head takes it over first."""
    draft = await owned(conn, person, case_id, lock=True)
    if expected is not None and expected != draft.version:
        raise _changed(draft)
    return Turn.of(ws, conn, draft, person.id)


async def owned(conn: AsyncConnection, person: Staff, case_id: str, *, lock: bool = False) -> OwnCase:
    draft = await visible(conn, person, case_id, lock=lock)
    if draft.owner != person.id:
        names = await people.names(conn, {draft.owner})
        raise EgovError("own_case.of_another", by=names.get(draft.owner, "-"))
    return draft


def _changed(draft: OwnCase) -> EgovError:
    return EgovError("own_case.changed_meanwhile", state=draft.state.value, version=draft.version)


async def open_case(
    ws: Workstation, person: Staff, regulation: str, logged_in_at: datetime, keep: Keep[OwnCase]
) -> OwnCase:
    """The case is born (E9). Where the act has the papers looked at first, that begins; else the service is chosen."""
    require_desk(person)
    flow = own_flow(ws, regulation)
    law = flow.procedure.regulation
    if not person.sees(law.region, flow.provider):
        raise EgovError("own_case.service_unknown", regulation=regulation[:80])
    ws.require_in_force(law)
    now = ws.clock.now()
    new = OwnCase(
        id=ws.ids.new(),
        regulation=law.code,
        regulation_version=law.version,
        channel=flow.procedure.channel.code,
        region=law.region,
        provider=flow.provider,
        owner=person.id,
        iin=None,
        form={},
        papers=(),
        trail=(),
        state=flow.first_state,
        version=1,
        certificate=None,
        prepared_at=None,
        number=None,
        opened_at=now,
        changed_at=now,
    )
    async with ws.db.begin() as conn:
        began = Turn(ws, conn, new, flow, now, person.id)
        draft = new if flow.visit else replace(new, trail=tuple(await _logged_in(began, logged_in_at)))
        await own.add(conn, draft)
        await keep(conn, draft)
    return draft


async def _logged_in(turn: Turn, at: datetime | None = None) -> list[dict[str, Any]]:
    """The login of the session, as the steps of the flow it is; an account whose login was refused opens nothing."""
    flow = turn.flow
    steps = [await turn.step(flow.authenticate, measured=flow.procedure.unmeasured(flow.authenticate), at=at)]
    if flow.verify_login is not None:
        steps.append(await turn.step(flow.verify_login, "ok", at=at))
    return steps


async def check_papers(
    ws: Workstation, person: Staff, case_id: str, papers: Sequence[Mapping[str, Any]], expected: int | None
) -> OwnCase:
    """The papers the consumer brought are looked at (act 516, cl. 6 1)); then the official turns to his screen: for
    this case his login counts from now, however long his session has been open."""
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, expected)
        item = turn.flow.visit
        if item is None or not turn.allows(OwnEvent.PAPERS_CHECKED):
            raise EgovError("own_case.wrong_state", state=turn.draft.state.value)
        measured = turn.flow.procedure.measure_own(item, turn.draft.opened_at, turn.now)
        shown = await turn.step(item, measured=measured, papers=len(papers))
        trail = [shown, *await _logged_in(turn)]
        return await turn.move(OwnEvent.PAPERS_CHECKED, trail=trail, papers=[dict(one) for one in papers])


async def enter_consumer(ws: Workstation, person: Staff, case_id: str, iin: str, expected: int | None) -> OwnCase:
    """Whose case it is. Another consumer makes void what was found out about the first one."""
    if (problem := iin_problem(iin)) is not None:
        raise EgovError("request.invalid", errors=[FieldError("iin", "wrong_form", problem)])
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, expected)
        if turn.draft.iin == iin:
            return turn.draft
        if not turn.allows(OwnEvent.CONSUMER_ENTERED):
            raise EgovError("own_case.wrong_state", state=turn.draft.state.value)
        await require_nothing_pending(turn)
        trail = list(turn.draft.trail) if turn.flow.fills_when_choosing else await _chosen(turn)
        return await turn.move(OwnEvent.CONSUMER_ENTERED, iin=iin, trail=trail, **NOTHING_PREPARED)


async def _chosen(turn: Turn) -> list[Mapping[str, Any]]:
    """P2 of act 427, cl. 7, ends: the steps up to it."""
    item, procedure = turn.flow.choose, turn.flow.procedure
    began = turn.draft.opened_at if turn.draft.iin is None else None
    measured = procedure.unmeasured(item) if began is None else procedure.measure(item, began, turn.now)
    chosen = await turn.step(item, measured=measured)
    return [*(step for step in turn.draft.trail if turn.flow.place(step) < item.n), chosen]


async def require_nothing_pending(turn: Turn) -> None:
    for query in await own.queries_of(turn.conn, turn.draft.id):
        if query.pending(turn.now):
            raise EgovError("own_case.query_pending", limit_s=query.limit_s, asked_at=query.asked_at.isoformat())


async def save_form(
    ws: Workstation,
    person: Staff,
    case_id: str,
    form: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]],
    expected: int | None,
) -> OwnCase:
    """P5: the form's values and the marks of papers shown on the desk, kept exactly as they were typed."""
    values, papers = form
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, expected)
        known = application_fields(turn.flow.procedure.regulation)
        if known and (unknown := sorted(set(values) - known)):  # a form the act does not print takes any field (A15)
            errors = [FieldError(f"values.{name}", "unknown", "the act's form has no such field") for name in unknown]
            raise EgovError("form.invalid", errors=errors)
        changes: dict[str, Any] = {"form": dict(values), **NOTHING_PREPARED}
        if papers or turn.flow.visit is None:  # else they were marked when they were looked at
            changes["papers"] = [dict(one) for one in papers]
        return await turn.move(OwnEvent.EDITED, **changes)


async def attach(ws: Workstation, person: Staff, case_id: str, name: str, upload: tuple[str, bytes]) -> Attachment:
    """P5: a scan, stored by ШЭП under its hash; one of the same name is replaced."""
    media_type, content = upload
    scan = await asyncio.to_thread(describe, name, media_type, content)
    async with ws.db.read() as conn:
        draft = await owned(conn, person, case_id)
        await _require_room(Turn.of(ws, conn, draft, person.id), scan)
    await ws.attachments.put(case_id, scan, content)  # before the row that names it
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id)
        await _require_room(turn, scan)
        await own.put_scan(conn, case_id, scan)
        await turn.move(OwnEvent.EDITED, **NOTHING_PREPARED)
    return scan


async def _require_room(turn: Turn, scan: Attachment) -> None:
    if not turn.allows(OwnEvent.EDITED):
        raise EgovError("own_case.wrong_state", state=turn.draft.state.value)
    require_room(await own.scans_of(turn.conn, turn.draft.id), scan)


async def detach(ws: Workstation, person: Staff, case_id: str, name: str) -> None:
    """The application names the scan no more; ШЭП keeps bytes that nothing names, and shows them to nobody else."""
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id)
        if not await own.remove_scan(conn, case_id, name):
            raise EgovError("attachment.not_found")
        await turn.move(OwnEvent.EDITED, **NOTHING_PREPARED)


async def take_over(ws: Workstation, person: Staff, case_id: str) -> OwnCase:
    """The head goes on with a draft of somebody else."""
    async with ws.db.begin() as conn:
        draft = await visible(conn, person, case_id, lock=True)
        if draft.owner == person.id:
            return draft
        turn = Turn.of(ws, conn, draft, person.id)
        if not turn.allows(OwnEvent.ABANDONED):
            raise EgovError("own_case.wrong_state", state=draft.state.value)
        await ws.journal_action(conn, "own_case.taken_over", draft.id, by=person.id, holder=draft.owner)
        return await turn.change(owner=person.id, **_void_signing(turn))


def _void_signing(turn: Turn) -> dict[str, Any]:
    """What one official prepared another one does not sign: the document names who fills it in."""
    state = turn.draft.state
    if state is not OwnState.PREPARED:
        return {}
    return {"state": turn.flow.transitions[state, OwnEvent.EDITED].value, **NOTHING_PREPARED}


async def abandon(ws: Workstation, person: Staff, case_id: str) -> OwnCase:
    """A draft nobody will send. ШЭП is not told: no act has a message for it."""
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id)
        if turn.draft.state is OwnState.ABANDONED:
            return turn.draft
        draft = await turn.move(OwnEvent.ABANDONED, **NOTHING_PREPARED)
        await ws.journal_action(conn, "own_case.abandoned", draft.id, by=person.id)
        return draft

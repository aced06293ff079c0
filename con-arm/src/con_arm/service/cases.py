"""An application while the operator works on it: the service chosen, the consumer entered, the form filled in, papers
marked and scanned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.consumer import Representative, consumer_problems
from con_arm.domain.counter import BEING_SERVED
from con_arm.domain.papers import Paper, paper_problems
from con_arm.domain.people import Operator
from con_arm.domain.states import CaseEvent, CaseState, after
from con_arm.domain.steps import CentreFlow
from con_arm.service.operators import Identity
from con_arm.service.parts import Centre
from con_arm.service.visits import take_visit
from con_arm.store import counter, queries
from con_arm.store.cases import Case, NewCase
from con_arm.store.cases import cases as store
from con_arm.store.counter import Ticket
from con_arm.store.files import files
from con_arm.store.records import records
from egovkit.errors import EgovError, FieldError
from egovkit.files import Attachment
from egovlaw.forms import application_fields
from egovorigin.attaching import put, seal
from egovorigin.domain.forms import MAX_FORM, ValueProblem, canonical, form_problems
from egovorigin.domain.steps import Moment
from egovorigin.origin import Keep
from egovorigin.store.records import Record
from egovorigin.trail import Taken, take


async def open_case(
    centre: Centre, identity: Identity, regulation_code: str, ticket: str | None, keep: Keep[Case]
) -> Case:
    """The service is chosen, the case is born (E9), and the login of this session becomes its first step."""
    regulation, flow = centre.regulation(regulation_code)
    operator, now = identity.operator, centre.clock.now()
    centre.require_region(operator, regulation)
    centre.require_in_force(regulation)
    async with centre.db.begin() as conn:
        served = None if ticket is None else await _require_served(conn, operator, ticket)
        new = NewCase(
            id=centre.ids.new(),
            centre=operator.centre,
            operator_id=operator.id,
            ticket_id=ticket,
            regulation=regulation.code,
            regulation_version=regulation.version,
            region=regulation.region,
        )
        case = await store.add_case(conn, new, now)
        await record(conn, case, now, "opened", "new")
        await take_visit(conn, centre, case, flow, (identity.session.login, served))
        await _attach_login(conn, centre, identity, case, flow)
        await keep(conn, case)
    return case


async def _require_served(conn: AsyncConnection, operator: Operator, ticket_id: str) -> Ticket:
    ticket = await counter.ticket(conn, ticket_id, operator.centre)
    if ticket is None:
        raise EgovError("ticket.not_found")
    if ticket.state not in BEING_SERVED or await store.case_of_ticket(conn, ticket_id) is not None:
        raise EgovError("ticket.wrong_state", state=ticket.state.value)
    return ticket


async def _attach_login(
    conn: AsyncConnection, centre: Centre, identity: Identity, case: Case, flow: CentreFlow
) -> None:
    login = identity.session.login
    began, ended = (datetime.fromisoformat(login[name]) for name in ("began", "ended"))
    label = flow.authenticate.label
    moments: dict[Moment, datetime] = {(label, "begin"): began, (label, "end"): ended}
    # Where the login itself stands in the journal, without a case.
    await take(conn, centre, case, [Taken(flow.authenticate, "done", ended, {"login": login["journal"]})], moments)


async def visible(conn: AsyncConnection, operator: Operator, case_id: str, *, lock: bool = False) -> Case:
    """The case, if it is of this operator's centre. Another's is answered as one that does not exist."""
    case = await store.case(conn, case_id, lock=lock)
    if case is None or case.centre != operator.centre:
        raise EgovError("case.not_found")
    return case


def require_after(case: Case, event: CaseEvent) -> CaseState:
    """The state after the event, or EgovError case.wrong_state."""
    state = after(case.state, event)
    if state is None:
        raise EgovError("case.wrong_state", state=case.state.value)
    return state


async def enter_consumer(
    centre: Centre, operator: Operator, case_id: str, iin: str, representative: Representative | None
) -> Case:
    """Who applies, and who speaks for him. Ends the choice of service and consumer; the answers to questions asked
    before count for nothing, since they were about somebody else's power of attorney."""
    if problems := consumer_problems(iin, representative, centre.today()):
        errors = [FieldError(one.field, one.code, one.code, {"limit": one.limit or 0}) for one in problems]
        raise EgovError("request.invalid", errors=errors)
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        state = require_after(case, CaseEvent.CONSUMER_ENTERED)
        _, flow = centre.law_of(case)
        asked = bool(await queries.queries_of(conn, case_id))
        if asked and iin != case.iin:
            raise EgovError("consumer.fixed")
        now = centre.clock.now()
        await queries.supersede(conn, case_id)
        changed = await store.change_case(
            conn,
            case,
            now,
            state=state,
            iin=iin,
            representative=None if representative is None else representative.as_data(),
            round=case.round + 1 if asked else case.round,
            facts=[],
            **NOT_PREPARED,
        )
        await store.drop_steps(conn, case_id, flow.after_query)
        if not flow.fills_before_query:
            # Entered again later, nobody saw when the operator began.
            await take_filled(conn, centre, changed, flow, seen=not asked)
        await record(conn, changed, now, "consumer_entered", case.state.value)
    return changed


async def take_filled(
    conn: AsyncConnection, centre: Centre, case: Case, flow: CentreFlow, *, seen: bool = True
) -> None:
    """The choice of service and consumer, with the form where that belongs to it, has ended. `seen`: its beginning."""
    now, label = centre.clock.now(), flow.choose_and_fill.label
    moments: dict[Moment, datetime] = {(label, "end"): now}
    if seen:
        moments[label, "begin"] = case.started_at
    await take(conn, centre, case, [Taken(flow.choose_and_fill, "done", now)], moments)


# A changed application has no document to sign any more: what was prepared said something else.
NOT_PREPARED: dict[str, Any] = {"document": None, "certificate": None, "signed_by": None, "prepared_at": None}


async def save_form(
    centre: Centre,
    operator: Operator,
    case_id: str,
    filled: tuple[Mapping[str, Any], Sequence[Paper]],
    version: int | None,
) -> Case:
    """Replaces the form's values and the marks of paper documents. `version`: the one the operator saw, if he says."""
    values, papers = filled
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        require_after(case, CaseEvent.EDITED)
        if version is not None and version != case.form_version:
            raise EgovError("form.changed_meanwhile", current=case.form_version)
        regulation, _ = centre.regulation(case.regulation, case.regulation_version)
        marks = [paper.as_data() for paper in papers]
        problems = [("values", one) for one in form_problems(values, application_fields(regulation))]
        problems += [("papers", one) for one in paper_problems(papers)]
        if not problems and len(canonical({"values": values, "papers": marks})) > MAX_FORM:
            problems = [("values", ValueProblem("", "too_large", MAX_FORM))]
        if problems:
            raise EgovError("form.invalid", errors=[_field_error(path, one) for path, one in problems])
        changes = {"form": dict(values), "papers": marks, "form_version": case.form_version + 1}
        return await _edit(conn, centre, case, "form_saved", **changes)


def _field_error(path: str, problem: ValueProblem) -> FieldError:
    where = f"{path}.{problem.field}" if problem.field else path
    return FieldError(where, problem.code, problem.code, {"limit": problem.limit or 0})


async def attach(
    centre: Centre, operator: Operator, case_id: str, name: str, upload: tuple[str, bytes]
) -> tuple[Case, Attachment]:
    """Keeps a scan with the application, sealed, until it is sent; one of the same name is replaced."""
    facts, sealed = await seal(centre, case_id, name, upload)
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        require_after(case, CaseEvent.EDITED)
        await put(conn, centre, case_id, facts, sealed)
        return await _edit(conn, centre, case, "attached"), facts


async def detach(centre: Centre, operator: Operator, case_id: str, name: str) -> Case:
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        require_after(case, CaseEvent.EDITED)
        if not await files.remove_attachment(conn, case_id, name):
            raise EgovError("attachment.not_found")
        return await _edit(conn, centre, case, "detached")


async def _edit(conn: AsyncConnection, centre: Centre, case: Case, event: str, **changes: Any) -> Case:
    state, now = require_after(case, CaseEvent.EDITED), centre.clock.now()
    changed = await store.change_case(conn, case, now, state=state, **NOT_PREPARED, **changes)
    await record(conn, changed, now, event, case.state.value)
    return changed


async def record(
    conn: AsyncConnection, case: Case, at: datetime, event: str, before: str, *, detail: Mapping[str, Any] | None = None
) -> None:
    """One line of the case's history, `case` being as it is now."""
    line = Record(
        case_id=case.id,
        at=at,
        event=event,
        state_before=before,
        state_after=case.state.value,
        detail=dict(detail) if detail else None,
    )
    await records.add_record(conn, line)

"""The two ends of a case at the counter: the registers have no data, or the package is not complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.people import Operator
from con_arm.domain.states import CaseEvent
from con_arm.domain.steps import may_refuse_acceptance
from con_arm.domain.texts import ACCEPTANCE_REFUSED, filled, no_data_text
from con_arm.service.acts import act
from con_arm.service.cases import NOT_PREPARED, record, require_after, visible
from con_arm.service.parts import Centre
from con_arm.store import counter, queries
from con_arm.store.cases import Case
from con_arm.store.cases import cases as store
from con_arm.store.counter import Receipt
from con_arm.store.records import records
from egovkit.errors import EgovError
from egovorigin.domain.document import document_bytes, stamp
from egovorigin.domain.steps import Moment, used
from egovorigin.origin import KAZAKHSTAN, Keep
from egovorigin.sending import report, sending
from egovorigin.trail import Taken, envelope_facts, note, step_facts, take


async def end_without_data(
    conn: AsyncConnection, centre: Centre, case: Case, codes: list[str], checked: Mapping[Moment, datetime]
) -> None:
    """A9: the case ends before registration, with a message and its reasons; no number, no signed document. ШЭП hears
    of it."""
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    item, check, now = flow.report_no_data, flow.check_registers, centre.clock.now()
    moments: dict[Moment, datetime] = {**checked, (item.label, "end"): now}
    await take(conn, centre, case, [Taken(check, "violation", now, {"codes": codes})], moments)
    envelope = await report(conn, centre, case, (item, codes[0]), flow.after_query)
    spent = used(flow.channel, item, moments)
    measured = {"limit_s": spent.limit_s, "used_s": spent.used_s}
    body = {**step_facts(centre, case, flow, item), **measured, "outcome": "refusal", "code": codes[0]}
    body |= envelope_facts(envelope)
    await note(conn, centre, "envelope", case, body)
    text = no_data_text(codes)
    problem = {"code": codes[0], "codes": codes, "clause": item.clause, "text_ru": text.ru, "text_kk": text.kk}
    state, sent = require_after(case, CaseEvent.DATA_MISSING), envelope.id
    ended = await store.change_case(conn, case, now, state=state, step=item.label, envelope_id=sent, problem=problem)
    await records.add_record(conn, sending(case, ended, "no_data", body, {"codes": codes}))


async def refuse_acceptance(
    centre: Centre,
    operator: Operator,
    case_id: str,
    wanting: tuple[Sequence[Mapping[str, Any]], str | None],
    keep: Keep[Receipt],
) -> Receipt:
    """The package is not complete: the flow has not begun, nothing is sent, the consumer gets a receipt that names what
    is missing (E10). Only acts that know such a receipt have it. `wanting`: the missing papers and a remark."""
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        regulation, flow = centre.law_of(case)
        if not may_refuse_acceptance(regulation, flow.channel):
            raise EgovError("acceptance.no_receipt", regulation=case.regulation, channel=flow.channel.code)
        state, now = require_after(case, CaseEvent.ACCEPTANCE_REFUSED), centre.clock.now()
        if await queries.queries_of(conn, case_id):  # entered anew after the registers were asked
            raise EgovError("case.wrong_state", state=case.state.value)
        year = now.astimezone(KAZAKHSTAN).year
        number = f"{year}-{await counter.next_number(conn, f'receipt/{year}'):06d}"
        receipt = _receipt(centre, operator, case, number, wanting)
        await counter.add_receipt(conn, receipt)
        ended = await store.change_case(conn, case, now, state=state, **NOT_PREPARED)
        await record(conn, ended, now, "acceptance_refused", case.state.value, detail={"receipt": number})
        await act(conn, centre, "acceptance.refused", case, by=operator.id, receipt=number)
        await keep(conn, receipt)
    return receipt


def _receipt(
    centre: Centre,
    operator: Operator,
    case: Case,
    number: str,
    wanting: tuple[Sequence[Mapping[str, Any]], str | None],
) -> Receipt:
    now, missing = centre.clock.now(), [dict(one) for one in wanting[0]]
    regulation, _ = centre.regulation(case.regulation, case.regulation_version)
    text = filled(ACCEPTANCE_REFUSED, missing="; ".join(one["name"] for one in missing))
    body = {
        "kind": "acceptance-refusal",
        "number": number,
        "case": case.id,
        "regulation": case.regulation,
        "version": case.regulation_version,
        "title_ru": regulation.title_ru,
        "title_kk": regulation.title_kk,
        "centre": case.centre,
        "operator": operator.id,
        "applicant": None if case.iin is None else {"iin": case.iin},
        "missing": missing,
        "note": wanting[1],
        "text_ru": text.ru,
        "text_kk": text.kk,
        "at": stamp(now),
    }
    return Receipt(case.id, number, operator.id, now, missing, wanting[1], document_bytes(body))


async def receipt_of(centre: Centre, operator: Operator, case_id: str) -> Receipt:
    async with centre.db.read() as conn:
        await visible(conn, operator, case_id)
        receipt = await counter.receipt_of(conn, case_id)
    if receipt is None:
        raise EgovError("receipt.not_found")
    return receipt

"""The refusal for a certificate that could not be confirmed: the case ends here, and ШЭП hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovorigin.domain.steps import Moment, used
from egovorigin.sending import report, sending
from egovorigin.trail import Taken, envelope_facts, note, step_facts, take
from portal_pep.domain.states import CaseState
from portal_pep.domain.texts import NoticeKind
from portal_pep.service.notices import notify
from portal_pep.service.parts import Portal
from portal_pep.store.cases import Case
from portal_pep.store.cases import cases as store
from portal_pep.store.records import records


async def end_by_certificate(
    conn: AsyncConnection,
    portal: Portal,
    case: Case,
    code: str,
    moments: Mapping[Moment, datetime],
    *,
    judged: dict[str, Any] | None = None,
) -> Case:
    """Journals the failed check and the refusal, reports the steps to ШЭП, ends the case. The caller has journalled
    what went before. `judged`: what was known of the signature, where there is one."""
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    item, now = flow.refuse_signature, portal.clock.now()
    seen = {**moments, (flow.check_certificate.label, "end"): now, (item.label, "end"): now}
    await take(conn, portal, case, [Taken(flow.check_certificate, "violation", now, {"code": code})], seen)
    envelope = await report(conn, portal, case, (flow.refuse_signature, code))
    spent = used(flow.channel, item, seen)
    body = {
        **step_facts(portal, case, flow, item),
        "limit_s": spent.limit_s,
        "used_s": spent.used_s,
        "outcome": "refusal",
        "code": code,
        "judged": judged,
        **envelope_facts(envelope),
    }
    await note(conn, portal, "envelope", case, body)
    ended = await _end(conn, portal, case, body)
    await records.add_record(conn, sending(case, ended, "certificate_refused", body, {"code": code}))
    await notify(conn, portal, ended, NoticeKind.SIGNATURE_REFUSED)
    return ended


async def _end(conn: AsyncConnection, portal: Portal, case: Case, body: Mapping[str, Any]) -> Case:
    return await store.change_case(
        conn,
        case,
        portal.clock.now(),
        state=CaseState.SIGNATURE_REFUSED,
        step=body["step"],
        envelope_id=body["id"],
        judged=body["judged"],
        problem={"code": body["code"], "side": "sender", "clause": body["clause"], "hop": portal.settings.code},
    )

"""A refused login, as the steps of the act whose desk it was for (act 516, cl. 6 2) to 4)).

There is no case yet, so nobody is told (E9): a local record with a keyed hash of the ИИН, which names nobody.
"""

from __future__ import annotations

import hashlib
import hmac

from egovkit.journal import JournalEntry
from provider_arm.service.context import Workstation
from provider_arm.service.own_flow import own_flow_of

REFUSED = "staff.login_refused"


async def record_refusal(ws: Workstation, secret: bytes, iin: str, regulation: str | None) -> str | None:
    """The clause by which the login is refused; None where no act was named, or it has no such step."""
    flow = None if regulation is None else own_flow_of(ws.procedures, regulation)
    if flow is None or flow.verify_login is None or flow.refuse_login is None:
        return None
    now, procedure = ws.clock.now(), flow.procedure
    person = hmac.new(secret, f"login|{iin}".encode(), hashlib.sha256).hexdigest()
    told = {"regulation": procedure.regulation.code, "person": person}
    steps = ((flow.authenticate, "done"), (flow.verify_login, "violation"), (flow.refuse_login, "refusal"))
    entries = []
    for item, outcome in steps:
        states = (procedure.state_before(item), item.kind.state)
        facts = ws.step_facts(item, states, outcome=outcome, measured=procedure.unmeasured(item), **told)
        last = item is flow.refuse_login
        entries.append(
            JournalEntry("refusal" if last else "step", now, None, facts | ({"code": REFUSED} if last else {}))
        )
    async with ws.db.begin() as conn:
        await ws.journal.note(conn, entries)
    return flow.refuse_login.clause

"""The signed result leaves: the last act of the provider on a case."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

from provider_arm.domain.cases import Case, CaseEvent
from provider_arm.service import results
from provider_arm.service.context import stamp
from provider_arm.service.deciding import told_at
from provider_arm.service.sitting import Sitting
from provider_arm.store import cases, pages


async def complete(sitting: Sitting) -> int:
    """The signed result leaves for the origin and the case is completed; the case's new version."""
    ws, conn, case, procedure = sitting.ws, sitting.conn, sitting.case, sitting.procedure
    kept = await cases.outgoing_document(conn, case.id)
    assert kept is not None, "a result is kept before it is issued"
    document, signature = kept.document, kept.signature
    assert signature is not None, "a result is signed"
    digest = hashlib.sha256(document).hexdigest()
    page = await pages.facts_of(conn, case.id)
    of_page = {} if page is None else {"page_sha256": page.sha256}
    known: dict[str, Any] = {"document_sha256": digest, **of_page, "judged": kept.judged}
    if procedure is None:
        await ws.journal_action(conn, "result.issued", case.id, by=sitting.person.id, **known)
        return await sitting.move(CaseEvent.RESULT_ISSUED, [])
    item = procedure.issue
    started = _checked_at(case) if procedure.started_by(item, procedure.check) else await told_at(sitting)
    await sitting.journal(item, procedure.before_issue, started=started, **known)
    version = await sitting.move(CaseEvent.RESULT_ISSUED, [])
    data = {
        "number": case.number,
        "document": base64.b64encode(document).decode(),
        "signature": base64.b64encode(signature).decode(),
        **results.told(document),
        **({} if page is None or case.source == ws.code else {"page": {"sha256": page.sha256, "size": page.size}}),
        "completed_at": stamp(sitting.now),
        "version": version,
        "trail": list(case.trail),
    }
    await ws.tell_origin(conn, case, "case.completed", step=item.label, data=data)
    return version


def _checked_at(case: Case) -> datetime | None:
    return datetime.fromisoformat(case.trail[-1]["at"]) if case.trail else None

"""The term of a case as the API shows it."""

from __future__ import annotations

from provider_arm.api.models import ExtensionView, PauseView, TermView
from provider_arm.service.context import Workstation
from provider_arm.service.views import CaseFile


def term_view(ws: Workstation, opened: CaseFile) -> TermView | None:
    kept = opened.term
    if kept is None:
        return None
    term = kept.term
    return TermView(
        started_at=term.started,
        duration=kept.duration,
        source=kept.source,
        clause=kept.clause,
        due_at=term.due(ws.calendar),
        latest=term.latest(ws.calendar),
        paused_since=term.paused_since,
        ended_at=term.ended,
        overdue=term.overdue(ws.calendar, ws.clock.now()),
        escalated_at=opened.escalated_at,
        extensions=[
            ExtensionView(at=one.at, until=one.until, reason_ru=one.reason.ru, reason_kk=one.reason.kk)
            for one in term.extensions
        ],
        pauses=[
            PauseView(since=one.since, until=one.until, reason_ru=one.reason.ru, reason_kk=one.reason.kk)
            for one in term.pauses
        ],
    )

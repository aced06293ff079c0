"""News of an application as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import StreamingResponse

from egovkit.declared import refuses
from egovkit.errors import EgovError
from egovkit.routes import Routes
from egovorigin.shown import record_shown
from portal_pep.api.base import Confirmed, ThePortal
from portal_pep.service import watching
from portal_pep.service.accounts import Identity
from portal_pep.service.parts import Portal

router = Routes(prefix="/v1/cases", tags=["applications"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "the application has ended and everything is told: do not come again"},
}


@router.get("/{case_id}/events", response_class=Response, responses=_STREAM)
@refuses("case.not_found", "request.cursor_invalid")
async def events(
    portal: ThePortal,
    identity: Confirmed,
    case_id: str,
    last_event_id: Annotated[str | None, Header(description="the id of the last event that arrived")] = None,
) -> Response:
    """The lines of the history as they come, each as an event named after what happened; ends with the application.
    Whoever comes again with `Last-Event-ID` misses nothing."""
    after = _number(last_event_id)
    if not await watching.has_news(portal, identity, case_id, after):
        return Response(status_code=204)
    return StreamingResponse(
        _lines(portal, identity, case_id, after),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _lines(portal: Portal, identity: Identity, case_id: str, after: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    async for one in watching.watch(portal, identity, case_id, after):
        if one is None:
            yield ": alive\n\n"
        else:
            yield f"id: {one.id}\nevent: {one.record.event}\ndata: {record_shown(one).model_dump_json()}\n\n"


def _number(last_event_id: str | None) -> int:
    text = last_event_id or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise EgovError("request.cursor_invalid")
    return int(text)

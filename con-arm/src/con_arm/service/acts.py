"""What people do at the counter that is no step of the act, for the journal."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.service.parts import Centre
from con_arm.store.cases import Case
from egovorigin.trail import note


async def act(conn: AsyncConnection, centre: Centre, action: str, case: Case, **facts: object) -> None:
    """One journal row about it."""
    await note(conn, centre, "admin", case, {"action": action, "service": centre.settings.code, **facts})

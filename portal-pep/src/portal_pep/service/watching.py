"""A long wait for news of a case: its history as it grows, until it ends, the session ends or the time is up.

The database is asked, so that the news may have come to another process of the portal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from egovorigin.store.records import StoredRecord
from portal_pep.domain.states import ENDED
from portal_pep.service.accounts import Identity
from portal_pep.service.cases import owned
from portal_pep.service.parts import Portal
from portal_pep.store import accounts
from portal_pep.store.records import records

ASK_S: Final = 2.0  # a person does not notice; a thousand waiting people are five hundred small reads a second
HEARTBEAT_S: Final = 15.0  # proxies cut what is silent for half a minute
LONGEST_S: Final = 600.0  # then the browser comes again by itself, with the last id it saw
AT_ONCE: Final = 100  # records of one answer of the database


async def has_news(portal: Portal, identity: Identity, case_id: str, after: int) -> bool:
    """Whether there is anything to wait for: news beyond `after`, or a case that goes on."""
    async with portal.db.read() as conn:
        case = await owned(conn, identity.account, case_id)
        return case.state not in ENDED or bool(await records.records_of(conn, case_id, after=after, limit=1))


async def watch(portal: Portal, identity: Identity, case_id: str, after: int) -> AsyncIterator[StoredRecord | None]:
    """Every record beyond `after` as it comes; None is a sign of life. The end of the case ends it, after the last
    record."""
    began = heard = portal.clock.monotonic()
    while portal.clock.monotonic() - began < LONGEST_S and await _still_in(portal, identity):
        async with portal.db.read() as conn:
            case = await owned(conn, identity.account, case_id)
            found = await records.records_of(conn, case_id, after=after, limit=AT_ONCE)
        for one in found:
            after, heard = one.id, portal.clock.monotonic()
            yield one
        if len(found) == AT_ONCE:
            continue
        if case.state in ENDED:
            return
        if portal.clock.monotonic() - heard >= HEARTBEAT_S:
            heard = portal.clock.monotonic()
            yield None
        await portal.clock.sleep(ASK_S)


async def _still_in(portal: Portal, identity: Identity) -> bool:
    """Logging out, or a session that has run out, ends what was opened with it."""
    if portal.clock.now() >= identity.session.expires_at:
        return False
    async with portal.db.read() as conn:
        found = await accounts.session_with_account(conn, identity.session.id)
    return found is not None and found[0].ended_at is None

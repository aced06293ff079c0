"""Looking at drafts of the provider's own channel; seeing what the register said of a person is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egovkit.files import Attachment
from provider_arm.domain.answers import Fact, facts_of
from provider_arm.domain.cases import Staff
from provider_arm.domain.own import OwnCase, OwnState, Query
from provider_arm.service.context import Workstation
from provider_arm.service.drafts import require_desk, visible
from provider_arm.service.registration import KAZAKHSTAN
from provider_arm.service.views import NO_REASON, record_read
from provider_arm.store import own, people
from provider_arm.store.paging import Page

AT_WORK = "own case"  # why an official looks who says nothing and fills the draft in himself


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A draft as its official sees it: with the register's answer, where one was applied."""

    draft: OwnCase
    scans: Sequence[Attachment]
    queries: Sequence[Query]
    person: Mapping[str, Any] | None
    facts: Sequence[Fact]
    names: Mapping[str, str]


async def list_drafts(
    ws: Workstation, person: Staff, state: OwnState | None, page: Page
) -> tuple[list[OwnCase], str | None, Mapping[str, str]]:
    require_desk(person)
    async with ws.db.read() as conn:
        found, after = await own.listed(conn, person, state, page)
        return found, after, await people.names(conn, {draft.owner for draft in found})


async def open_draft(ws: Workstation, person: Staff, case_id: str, why: str | None) -> OwnFile:
    async with ws.db.begin() as conn:
        draft = await visible(conn, person, case_id)
        queries = await own.queries_of(conn, case_id)
        scans, names = await own.scans_of(conn, case_id), await people.names(conn, {draft.owner})
        known = next((one.person for one in reversed(queries) if one.person and one.iin == draft.iin), None)
        if known is None:
            return OwnFile(draft, scans, queries, None, (), names)
        reason = why or (AT_WORK if draft.owner == person.id else NO_REASON)
        await record_read(ws, conn, person, draft, ("answer.person", reason))
        today = ws.clock.now().astimezone(KAZAKHSTAN).date()
        return OwnFile(draft, scans, queries, known, facts_of(known, today), names)

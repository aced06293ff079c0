"""The journals of a running deployment, followed: each row is read once, however many scenarios wait for theirs.

Rows are kept by case until their scenario has taken them, so that memory does not grow with what was played.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import MetaData, select

from egovkit.clock import SystemClock
from egovkit.db import Database, journal_tables
from egovkit.journal import JournalRow, row_of
from egovkit.journal_bodies import Bodies
from sandbox.places import Place

if TYPE_CHECKING:
    from types import TracebackType

    from egovkit.clock import Clock

POLL_SECONDS = 0.25
KEPT = 2000  # cases, and accounts, nobody has asked for: of scenarios that gave up, or of other people's traffic
PATIENCE_SECONDS = 30.0  # the last words of a case pass two gateways after everybody at the desk is done

DESK = "desk of"


class Watch:
    """Follows the journals in these databases."""

    def __init__(self, places: Mapping[str, Place], clock: Clock) -> None:
        self._databases = {code: Database(place.url, pool_size=1) for code, place in places.items()}
        self._bodies = {code: place.bodies() for code, place in places.items()}
        self._tables = journal_tables(MetaData())
        self._clock = clock
        self._read: dict[str, int] = {}  # by writer: the last position
        self._cases: dict[str, list[JournalRow]] = {}
        self._accounts: dict[str, list[JournalRow]] = {}  # by account, and by the hash of a person
        self._looking = asyncio.Lock()
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._look()
        self._cases.clear()
        self._accounts.clear()
        self._task = asyncio.create_task(self._follow(), name="watch journals")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for database in self._databases.values():
            await database.close()

    async def rows(self, case: str, account: str, enough: Any) -> list[JournalRow]:
        """The rows of a case, begun with its account's, once `enough(rows)`, or when patience is over: the machine's,
        the world's time may jump meanwhile."""
        machine = SystemClock()
        deadline = machine.monotonic() + PATIENCE_SECONDS
        await self._look()
        while True:
            found = [*self._of_account(account, with_refusals=not case), *self._cases.get(case, ())]
            if enough(found) or machine.monotonic() > deadline:
                self._forget(case, account)
                return found
            if self._task is not None and self._task.done():
                self._task.result()  # whoever cannot read says why
            async with self._news:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 1.0)

    def _forget(self, case: str, account: str) -> None:
        """Taken; of a desk's failed logins only where they were what was looked for."""
        self._cases.pop(case, None)
        if case and account.startswith(DESK):
            return
        for row in self._accounts.pop(account, ()):
            self._accounts.pop(f"person {row.facts.get('person')}", None)

    def _of_account(self, account: str, *, with_refusals: bool) -> list[JournalRow]:
        """The registration, which happens before any case; where no case was born, the login that failed too."""
        own = self._accounts.get(account, [])
        if not with_refusals or not own:
            return list(own)
        if account.startswith(DESK):
            return list(own)
        person = own[0].facts.get("person")
        return [*own, *(row for row in self._accounts.get(f"person {person}", ()) if row not in own)]

    async def _follow(self) -> None:
        while True:
            if await self._look():
                async with self._news:
                    self._news.notify_all()
            await self._clock.sleep(POLL_SECONDS)

    async def _look(self) -> bool:
        found = False
        async with self._looking:
            for code, database in self._databases.items():
                for row in await self._new_rows(database, self._bodies[code]):
                    found = True
                    self._keep(row)
        return found

    def _keep(self, row: JournalRow) -> None:
        if row.case_id is not None:
            _add(self._cases, row.case_id, row)
            return
        if (intake := row.facts.get("intake")) is not None:
            _add(self._accounts, f"intake {intake}", row)  # at a counter that the act only names no case is born
        if (account := row.facts.get("account")) is not None:
            _add(self._accounts, account, row)
        if (person := row.facts.get("person")) is not None:
            _add(self._accounts, f"person {person}", row)
            if account is None and (regulation := row.facts.get("regulation")) is not None:
                _add(self._accounts, desk_of(regulation), row)  # at a provider's desk nobody has an account

    async def _new_rows(self, database: Database, bodies: Bodies | None) -> list[JournalRow]:
        rows, heads = self._tables.rows, self._tables.heads
        found: list[JournalRow] = []
        async with database.read() as conn:
            for head in (await conn.execute(select(heads.c.writer, heads.c.position))).all():
                since = self._read.get(head.writer, 0)
                if head.position <= since:
                    continue
                query = select(rows).where(rows.c.writer == head.writer, rows.c.position > since)
                new = [row_of(row._mapping, bodies) for row in await conn.execute(query.order_by(rows.c.position))]
                if new:
                    self._read[head.writer] = new[-1].position
                found += new
        return found


def desk_of(regulation: str) -> str:
    """Under which logins that a desk refused are kept: who failed is known there by a hash alone."""
    return f"{DESK} {regulation}"


def _add(kept: dict[str, list[JournalRow]], key: str, row: JournalRow) -> None:
    kept.setdefault(key, []).append(row)
    if len(kept) > KEPT:
        del kept[next(iter(kept))]

"""What the bus itself knows of a certification: journals, envelopes and refusals of both gateways, read from behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import MetaData, select

from egovgateway.domain import EnvelopeState
from egovgateway.sealing import OPENED_BY, opened, wire_of
from egovgateway.tables import gateway_tables
from egovkit.db import Database
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.journal import JournalRow, row_of
from egovkit.journal_bodies import Bodies
from sandbox.places import Place


@dataclass(frozen=True, slots=True)
class Letter:
    """An envelope that waits at a gateway for a participant who is reached by HTTP."""

    recipient: str
    envelope: Envelope
    wire: WireEnvelope


class Evidence:
    """Reads the databases of both gateways; writes nothing."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._databases = [Database(place.url, pool_size=1) for place in places.values()]
        self._bodies = [place.bodies() for place in places.values()]
        self._tables = gateway_tables(MetaData())
        e = self._tables.envelopes.c
        self._whole = (*(e[name] for name in OPENED_BY), e.signature, e.receipts)
        self._seen: set[tuple[str, str]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for database in self._databases:
            await database.close()

    async def rows(self, case: str) -> list[JournalRow]:
        """Every row of the case; one that was turned away before anybody could be proved its sender, too."""
        rows = self._tables.journal.rows
        found: list[JournalRow] = []
        for database, bodies in zip(self._databases, self._bodies, strict=True):
            async with database.read() as conn:
                of_case = await conn.execute(select(rows).where(rows.c.case_id == case))
                found += [row_of(row._mapping, bodies) for row in of_case]
        return found

    async def sent(self, case: str, source: str) -> list[Envelope]:
        """What this system sent in the case and a gateway took."""
        t = self._tables.envelopes
        wanted = select(*self._whole).where(
            t.c.case_id == case, t.c.source == source, t.c.state != EnvelopeState.REFUSED
        )
        found: dict[str, Envelope] = {}
        for database, bodies in zip(self._databases, self._bodies, strict=True):
            async with database.read() as conn:
                rows = (await conn.execute(wanted)).mappings()
                found |= {row["id"]: Envelope.parse(opened(row, bodies)) for row in rows}
        return sorted(found.values(), key=lambda one: (one.time, one.caseseq))

    async def letters(self, recipients: Collection[str]) -> list[Letter]:
        """What has come for these participants since the last time."""
        found: list[Letter] = []
        for database, bodies in zip(self._databases, self._bodies, strict=True):
            found += await self._new(database, bodies, recipients)
        return found

    async def _new(self, database: Database, bodies: Bodies | None, recipients: Collection[str]) -> list[Letter]:
        """Read letters stay where they are, so only the keys are looked through every time."""
        t = self._tables.envelopes
        waiting = (t.c.state == EnvelopeState.WAITING, t.c.recipient.in_(recipients))
        async with database.read() as conn:
            keys = {(row.source, row.id) for row in await conn.execute(select(t.c.source, t.c.id).where(*waiting))}
            fresh = keys - self._seen
            if not fresh:
                return []
            wanted = select(*self._whole, t.c.recipient).where(*waiting, t.c.id.in_([key for _, key in fresh]))
            ordered = wanted.order_by(t.c.settled_at, t.c.case_id, t.c.caseseq)
            rows = (await conn.execute(ordered)).mappings().all()
        self._seen |= fresh
        read = [(row["recipient"], wire_of(row, bodies)) for row in rows if (row["source"], row["id"]) in fresh]
        return [Letter(recipient, Envelope.parse(wire.raw), wire) for recipient, wire in read]

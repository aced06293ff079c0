"""Every query of a gateway. Functions take the connection of the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from sqlalchemy import RowMapping, Table, and_, func, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.domain import Arrival, CaseRow, EnvelopeState, Question
from egovgateway.sealing import OPENED_BY, sealed, split, wire_of
from egovgateway.tables import GatewayTables
from egovkit.db import upsert
from egovkit.envelope import WireEnvelope
from egovkit.errors import EgovError
from egovkit.journal_bodies import Bodies

Key = tuple[str, str]
LOG = structlog.get_logger("egovgateway.store")
SETTLED = ("state", "queue", "receipts", "problem", "due_at", "settled_at")
UNPARKED = (*SETTLED, "step", "clause", "limit_s", "used_s", "late")  # what is judged anew when its turn has come


class Conflict(Exception):
    """Another process of this gateway was faster with the same envelope or case; take the item again, alone."""


@dataclass(frozen=True, slots=True)
class KnownEnvelope:
    """What the gateway remembers of an envelope it has seen."""

    sha256: str
    state: EnvelopeState
    receipts: tuple[str, ...]
    problem: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class OutgoingRow:
    """An accepted envelope on its way to the next hop."""

    key: Key
    queue: str
    wire: WireEnvelope
    attempts: int


class GatewayStore:
    """Reads and writes of one gateway's database. Envelopes are sealed on their way in and opened on their way out."""

    def __init__(self, tables: GatewayTables, bodies: Bodies) -> None:
        self._t, self._bodies = tables, bodies
        e = tables.envelopes.c
        self._whole = (*(e[name] for name in OPENED_BY), e.signature, e.receipts)  # for `wire_of`

    async def known(self, conn: AsyncConnection, keys: Sequence[Key]) -> dict[Key, KnownEnvelope]:
        """One set read for a whole batch."""
        t = self._t.envelopes
        if not keys:
            return {}
        query = select(t.c.source, t.c.id, t.c.sha256, t.c.state, t.c.receipts, t.c.problem).where(
            tuple_(t.c.source, t.c.id).in_(keys)
        )
        return {
            (row.source, row.id): KnownEnvelope(row.sha256, EnvelopeState(row.state), split(row.receipts), row.problem)
            for row in await conn.execute(query)
        }

    async def turned_away(self, conn: AsyncConnection, digests: Sequence[str]) -> set[str]:
        """Which of these bytes have been turned away before."""
        t = self._t.turned_away
        if not digests:
            return set()
        rows = await conn.execute(select(t.c.digest).where(t.c.digest.in_(digests)))
        return set(rows.scalars())

    async def cases(self, conn: AsyncConnection, case_ids: Iterable[str]) -> dict[str, CaseRow]:
        """Cases, locked until the transaction ends, always in the same order so that no two batches deadlock."""
        t = self._t.cases
        ids = sorted(set(case_ids))
        if not ids:
            return {}
        query = select(t).where(t.c.case_id.in_(ids)).order_by(t.c.case_id).with_for_update()
        return {row["case_id"]: _case(row) for row in (await conn.execute(query)).mappings()}

    async def refused_numbers(
        self, conn: AsyncConnection, case_ids: Sequence[str]
    ) -> dict[tuple[str, str], frozenset[int]]:
        """Per (case, source): the caseseq of envelopes that were refused, and so are not waited for."""
        t = self._t.envelopes
        if not case_ids:
            return {}
        query = select(t.c.case_id, t.c.source, t.c.caseseq).where(
            t.c.case_id.in_(case_ids), t.c.state == EnvelopeState.REFUSED
        )
        numbers: dict[tuple[str, str], frozenset[int]] = {}
        for row in await conn.execute(query):
            key = (row.case_id, row.source)
            numbers[key] = numbers.get(key, frozenset()) | {row.caseseq}
        return numbers

    async def write_cases(self, conn: AsyncConnection, cases: Sequence[CaseRow], now: datetime) -> None:
        """Compare-and-set on `version`, all rows in one statement.

        `case.version` is the new version, one above what was read. Raises Conflict when any row had moved.
        """
        if not cases:
            return
        rows = [_case_values(case, now) for case in cases]
        written = (await conn.execute(_write_case(self._t.cases, conn.dialect.name), rows)).all()
        if len(written) != len(rows):
            raise Conflict("a case moved while it was judged")

    async def insert_envelopes(self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        """New envelope rows. Raises Conflict when (source, id) has just been taken by another process."""
        if rows:
            try:
                await conn.execute(self._t.envelopes.insert(), [sealed(row, self._bodies) for row in rows])
            except IntegrityError as error:
                raise Conflict("the envelope was taken by another process") from error

    async def unpark(self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        """Settle parked rows. Raises Conflict when another process has done so."""
        t = self._t.envelopes
        for row in rows:
            changed = await conn.execute(
                update(t)
                .where(t.c.source == row["source"], t.c.id == row["id"], t.c.state == EnvelopeState.PARKED)
                .values({k: row[k] for k in UNPARKED})
            )
            if changed.rowcount != 1:
                raise Conflict("the parked envelope was taken by another process")

    async def insert_turned_away(self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        """Remember what was turned away. Raises Conflict when another process has just done so."""
        if rows:
            try:
                await conn.execute(self._t.turned_away.insert(), list(rows))
            except IntegrityError as error:
                raise Conflict("turned away by another process") from error

    async def settle(self, conn: AsyncConnection, keys: Sequence[Key], state: EnvelopeState, now: datetime) -> None:
        """Mark accepted rows as `state`."""
        t = self._t.envelopes
        if keys:
            await conn.execute(
                update(t)
                .where(tuple_(t.c.source, t.c.id).in_(keys), t.c.state == EnvelopeState.ACCEPTED)
                .values(state=state, settled_at=now, due_at=None)
            )

    async def claim_due(
        self, conn: AsyncConnection, now: datetime, lease_until: datetime, limit: int
    ) -> list[OutgoingRow]:
        """Accepted rows whose publisher has not reported: claimed for this process until `lease_until`."""
        t = self._t.envelopes
        query = (
            select(*self._whole, t.c.queue, t.c.attempts)
            .where(t.c.state == EnvelopeState.ACCEPTED, t.c.due_at <= now)
            .order_by(t.c.due_at, t.c.received_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await conn.execute(query)).mappings().all()
        if rows:
            await conn.execute(
                update(t)
                .where(tuple_(t.c.source, t.c.id).in_([(row["source"], row["id"]) for row in rows]))
                .values(due_at=lease_until, attempts=t.c.attempts + 1)
            )
        return [
            OutgoingRow((row["source"], row["id"]), row["queue"], wire, row["attempts"])
            for row, wire in self._readable(rows)
        ]

    async def release_all(self, conn: AsyncConnection, now: datetime) -> None:
        """At start: what an earlier process left accepted is due at once. A second copy does no harm."""
        t = self._t.envelopes
        await conn.execute(
            update(t).where(and_(t.c.state == EnvelopeState.ACCEPTED, t.c.due_at > now)).values(due_at=now)
        )

    async def next_moments(self, conn: AsyncConnection, now: datetime) -> tuple[datetime | None, datetime | None]:
        """When the next parked envelope's time is up, and when the next accepted one is published again."""
        t = self._t.envelopes
        found: list[datetime | None] = []
        for state in (EnvelopeState.PARKED, EnvelopeState.ACCEPTED):
            query = select(func.min(t.c.due_at)).where(t.c.state == state, t.c.due_at > now)
            found.append((await conn.execute(query)).scalar_one())
        return found[0], found[1]

    async def ready(self, conn: AsyncConnection, now: datetime) -> bool:
        """Whether something is to be published or judged again now."""
        t = self._t.envelopes
        waiting = t.c.state.in_((EnvelopeState.PARKED, EnvelopeState.ACCEPTED))
        query = select(t.c.id).where(waiting, t.c.due_at <= now).limit(1)
        return (await conn.execute(query)).first() is not None

    async def ripe_parked(self, conn: AsyncConnection, now: datetime, limit: int) -> list[Arrival]:
        """Parked envelopes whose predecessor has come meanwhile, or whose time is up."""
        t = self._t.envelopes
        before = t.alias("predecessor")
        came = (
            select(before.c.id)
            .where(before.c.case_id == t.c.case_id, before.c.source == t.c.source)
            .where(before.c.caseseq == t.c.caseseq - 1, before.c.state != EnvelopeState.PARKED)
            .exists()
        )
        query = (
            select(*self._whole, t.c.door, t.c.received_at)
            .where(t.c.state == EnvelopeState.PARKED, or_(t.c.due_at <= now, came))
            .order_by(t.c.case_id, t.c.source, t.c.caseseq)
            .limit(limit)
        )
        return [_resumed(row, wire) for row, wire in self._readable((await conn.execute(query)).mappings())]

    async def successors(self, conn: AsyncConnection, case_ids: Sequence[str]) -> list[Arrival]:
        """All parked envelopes of these cases, in order."""
        t = self._t.envelopes
        if not case_ids:
            return []
        query = (
            select(*self._whole, t.c.door, t.c.received_at)
            .where(t.c.state == EnvelopeState.PARKED, t.c.case_id.in_(case_ids))
            .order_by(t.c.case_id, t.c.source, t.c.caseseq)
        )
        return [_resumed(row, wire) for row, wire in self._readable((await conn.execute(query)).mappings())]

    async def inbox(self, conn: AsyncConnection, recipient: str, limit: int) -> list[tuple[str, WireEnvelope]]:
        """What waits for a participant that fetches by HTTP, oldest first; acknowledging brings the next."""
        t = self._t.envelopes
        query = (
            select(*self._whole)
            .where(t.c.recipient == recipient, t.c.state == EnvelopeState.WAITING)
            .order_by(t.c.settled_at, t.c.case_id, t.c.caseseq)
            .limit(limit)
        )
        return [(row["id"], wire) for row, wire in self._readable((await conn.execute(query)).mappings())]

    async def acknowledge(self, conn: AsyncConnection, recipient: str, ids: Sequence[str], now: datetime) -> int:
        """The participant has taken these; returns how many were waiting."""
        t = self._t.envelopes
        result = await conn.execute(
            update(t)
            .where(t.c.recipient == recipient, t.c.state == EnvelopeState.WAITING, t.c.id.in_(ids))
            .values(state=EnvelopeState.FORWARDED, settled_at=now)
        )
        return result.rowcount

    async def waited_for(self, conn: AsyncConnection) -> set[str]:
        """Participants for whom something lies in the HTTP inbox."""
        t = self._t.envelopes
        query = select(t.c.recipient).where(t.c.state == EnvelopeState.WAITING).distinct()
        return set((await conn.execute(query)).scalars())

    async def send_after_all(self, conn: AsyncConnection, recipient: str, queue: str, now: datetime) -> None:
        """What waits for a participant in its HTTP inbox goes to its queue; the relay takes it up."""
        t = self._t.envelopes
        await conn.execute(
            update(t)
            .where(t.c.recipient == recipient, t.c.state == EnvelopeState.WAITING)
            .values(state=EnvelopeState.ACCEPTED, queue=queue, due_at=now, settled_at=None)
        )

    def _readable(self, rows: Iterable[RowMapping]) -> Iterator[tuple[RowMapping, WireEnvelope]]:
        """Rows with their envelopes. One that was spoiled where it lies goes nowhere, and stops no other."""
        for row in rows:
            try:
                yield row, wire_of(row, self._bodies)
            except EgovError as error:
                LOG.error("an envelope at rest does not open", source=row["source"], id=row["id"], reason=error.code)


@cache
def _write_case(t: Table, dialect: str) -> Any:
    """Made once: with a column for each of these it costs more to make than to run."""
    stmt = upsert(t, dialect)
    stmt = stmt.on_conflict_do_update(
        index_elements=[t.c.case_id],
        set_={c.name: stmt.excluded[c.name] for c in t.c if c.name != "case_id"},
        where=t.c.version == stmt.excluded.version - 1,
    )
    return stmt.returning(t.c.case_id)


def _resumed(row: RowMapping, wire: WireEnvelope) -> Arrival:
    return Arrival(wire, row["door"], row["received_at"], resumed=True)


def _case(row: RowMapping) -> CaseRow:
    times = {name: datetime.fromisoformat(text) for name, text in row["times"].items()}
    asked = {key: Question(**{**one, "at": datetime.fromisoformat(one["at"])}) for key, one in row["questions"].items()}
    fields = {name: row[name] for name in CaseRow.__dataclass_fields__ if name not in ("times", "questions")}
    return CaseRow(**fields, times=times, questions=asked)


def _case_values(case: CaseRow, now: datetime) -> dict[str, Any]:
    values = {name: getattr(case, name) for name in CaseRow.__dataclass_fields__}
    values["sequences"] = dict(case.sequences)
    values["times"] = {name: moment.isoformat() for name, moment in case.times.items()}
    values["questions"] = {key: {**asdict(one), "at": one.at.isoformat()} for key, one in case.questions.items()}
    return {**values, "updated_at": now}

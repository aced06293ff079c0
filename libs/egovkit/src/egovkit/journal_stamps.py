"""Time stamps over the journal, in batches and beside the work: a Merkle root (RFC 6962) over the hashes of a writer's
next rows, stamped by НУЦ (RFC 3161) and kept with its token in `journal_stamps`.

Nothing waits for a stamp. What stands in the journal and in no batch is what still has to be stamped; so an outage of
the authority needs no memory of its own, and the first round after it takes up what was left behind, whole batches at a
time. Every service that keeps a journal stamps its own: each chain is evidence by itself, also against its gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit import merkle
from egovkit.clock import Clock
from egovkit.db.engine import Database, insert_ignore
from egovkit.db.tables import JournalTables
from egovkit.errors import EgovError

if TYPE_CHECKING:
    from egovkit.signatures.certificates import TrustStore
    from egovkit.signatures.stamps import StampFacts, StampService

__all__ = ["MOST_ROWS", "JournalStamp", "Stamper", "check_stamp", "read_stamps"]

MOST_ROWS = 10_000  # in one batch: 640 KB of hashes, 20 ms of SHA-256, a proof of 14 neighbours
COLUMNS = ("writer", "first", "last", "root", "token", "moment")


@dataclass(frozen=True, slots=True)
class JournalStamp:
    """A stamped batch as stored. `root` is in hexadecimal, `token` the DER of the time stamp over it."""

    writer: str
    first: int
    last: int
    root: str
    token: bytes
    moment: datetime

    @property
    def possible(self) -> bool:
        """Whether anybody stamps so many rows at once: nobody shall count what was written over a batch's end."""
        return 0 < self.last - self.first + 1 <= MOST_ROWS


@dataclass(frozen=True, slots=True)
class Unstamped:
    """What one writer's journal still has to have stamped."""

    writer: str
    first: int
    last: int
    since: datetime | None  # the time of its oldest row; None where all of them are gone


class Stamper:
    """Stamps what is not stamped yet. `round` never fails for want of an authority: it says how many batches it
    made, and `failure` why there are no more."""

    def __init__(
        self, db: Database, tables: JournalTables, clock: Clock, trust: TrustStore, service: Callable[[], StampService]
    ) -> None:
        """`service` is called when the first stamp is needed: its libraries take half a second to load."""
        assert tables.stamps is not None, "this journal has no table of stamps"
        self._db, self._tables, self._clock, self._trust = db, tables, clock, trust
        self._stamps: Table = tables.stamps
        self._service = service
        self._asked: StampService | None = None
        self.failure: str | None = None
        self.most_rows = MOST_ROWS

    async def unstamped(self) -> list[Unstamped]:
        """By writer; empty when everything is stamped."""
        rows, heads, stamps = self._tables.rows, self._tables.heads, self._stamps
        done = select(stamps.c.writer, func.max(stamps.c.last).label("last")).group_by(stamps.c.writer).subquery()
        stamped = func.coalesce(done.c.last, 0)
        oldest = (  # of what is left: a row that is gone keeps nobody from hearing of it
            select(rows.c.time)
            .where(rows.c.writer == heads.c.writer, rows.c.position > stamped)
            .order_by(rows.c.position)
            .limit(1)
            .correlate(heads, done)
            .scalar_subquery()
        )
        query = (
            select(heads.c.writer, stamped.label("done"), heads.c.position, oldest.label("since"))
            .join(done, done.c.writer == heads.c.writer, isouter=True)
            .where(heads.c.position > stamped)
            .order_by(heads.c.writer)
        )
        async with self._db.read() as conn:
            return [Unstamped(row.writer, row.done + 1, row.position, row.since) for row in await conn.execute(query)]

    async def round(self) -> int:
        """Stamps all there is; how many batches. One writer's trouble keeps no other from its stamp, but for an
        authority that is not there."""
        made, failure = 0, None
        for left in await self.unstamped():
            try:
                for first in range(left.first, left.last + 1, self.most_rows):
                    await self._stamp(left.writer, first, min(first + self.most_rows - 1, left.last))
                    made += 1
            except EgovError as error:
                told = (str(error.params[name]) for name in ("reason", "technical") if name in error.params)
                failure = f"{error.code}: {' '.join(told)}"
                if error.code == "stamp.unavailable":
                    break
        self.failure = failure  # not before: while a round goes on, the last one's word stands
        return made

    async def _stamp(self, writer: str, first: int, last: int) -> None:
        async with self._db.read() as conn:
            hashes = await read_hashes(conn, self._tables, writer, first, last)
        try:
            root = await asyncio.to_thread(root_of, hashes) if len(hashes) == last - first + 1 else None
        except ValueError:  # what was written over a row's hash
            root = None
        if root is None:
            raise EgovError("stamp.refused", reason="rows_missing", writer=writer)
        token = await self._asked_service().token(root)
        facts = await asyncio.to_thread(self._check, token, root)
        stamp = {"writer": writer, "first": first, "last": last, "root": root.hex(), "token": token}
        async with self._db.begin() as conn:
            # Another replica may have stamped the same rows meanwhile: one proof of them is enough.
            await conn.execute(insert_ignore(self._stamps, [{**stamp, "moment": facts.moment}], conn.dialect.name))

    def _check(self, token: bytes, root: bytes) -> StampFacts:
        """What nobody could verify later is no stamp."""
        from egovkit.signatures.stamps import check_token

        facts = check_token(token, root, self._trust, self._clock.now())
        if facts.refusal is not None:
            raise EgovError("stamp.refused", reason=facts.refusal)
        return facts

    def _asked_service(self) -> StampService:
        self._asked = self._asked or self._service()
        return self._asked


def root_of(hashes: Sequence[str]) -> bytes:
    """The Merkle root over rows' hashes (hexadecimal), whose bytes are the leaves. ValueError where one is no hash."""
    return merkle.root([bytes.fromhex(one) for one in hashes])


def check_stamp(stamp: JournalStamp, hashes: Sequence[str]) -> bool:
    """Whether the batch's rows, given by their hashes, are those that were stamped."""
    whole = len(hashes) == stamp.last - stamp.first + 1 and all(hashes)
    try:
        return whole and root_of(hashes).hex() == stamp.root
    except ValueError:
        return False


async def read_hashes(conn: AsyncConnection, tables: JournalTables, writer: str, first: int, last: int) -> list[str]:
    """The hashes of a writer's rows from `first` to `last`, in order."""
    rows = tables.rows
    query = select(rows.c.hash).where(rows.c.writer == writer, rows.c.position.between(first, last))
    return list((await conn.execute(query.order_by(rows.c.position))).scalars())


async def read_stamps(conn: AsyncConnection, stamps: Table) -> list[JournalStamp]:
    """All of them, by writer and position."""
    query = select(*(stamps.c[name] for name in COLUMNS)).order_by(stamps.c.writer, stamps.c.first)
    return [JournalStamp(**row._mapping) for row in await conn.execute(query)]

"""Every query on entries, their numbers and free places."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore, upsert
from registers_mock.domain import GENERAL, QUEUES, Book, Entry, Leaving, Operation, Place, Register, Wish
from registers_mock.tables import entries, numbers, places
from registers_mock.tables import register as shared


@dataclass(frozen=True, slots=True)
class EntryFilter:
    register: str | None = None
    region: str | None = None
    iin: str | None = None  # on either side of an entry


async def is_empty(conn: AsyncConnection) -> bool:
    return not (await conn.execute(select(exists(select(entries.c.number))))).scalar_one()


async def lock(conn: AsyncConnection, book: Book) -> int:
    """The last number given, held until the caller's commit: whoever else wants one waits here."""
    key = {"register": book.register.value, "region": book.region}
    await conn.execute(insert_ignore(numbers, [{**key, "last": 0}], conn.dialect.name))
    row = select(numbers.c.last).where(numbers.c.register == book.register.value, numbers.c.region == book.region)
    return int((await conn.execute(row.with_for_update())).scalar_one())


async def add(conn: AsyncConnection, wish: Wish, *, last: int) -> Entry:
    """The next number, with the register locked at `last`. A number that is rolled back is given again."""
    number, first = last + 1, None
    if wish.register in QUEUES:
        first = await _before(conn, wish, number, wish.since) + 1
    entry = Entry(wish, number, first)
    await conn.execute(entries.insert().values(**_row(entry)))
    of = (numbers.c.register == wish.register.value, numbers.c.region == wish.region)
    await conn.execute(update(numbers).where(*of).values(last=number))
    return entry


async def of_case(conn: AsyncConnection, register: Register, case_id: str) -> Entry | None:
    return await _one(conn, select(entries).where(entries.c.register == register.value, entries.c.case_id == case_id))


async def standing(conn: AsyncConnection, book: Book, iin: str, day: date) -> Entry | None:
    """Where the person stands in a queue; on an earlier day, the last place of several that were entered later."""
    query = _in(book).where(entries.c.person_iin == iin, _stands(day))
    return await _one(conn, query.order_by(entries.c.number.desc()).limit(1))


async def entered_for(conn: AsyncConnection, of: Register, case_id: str) -> str | None:
    """Whom a provider entered for a case, by the record of reads: he may have had another case's place already."""
    reads = shared.reads.c
    asked = (reads.case_id == case_id, reads.criterion == f"{of.value}.{Operation.ENQUEUE.value}", reads.found == 1)
    query = select(reads.asked_iin).where(*asked).order_by(reads.id.desc()).limit(1)
    return (await conn.execute(query)).scalar_one_or_none()


async def get(conn: AsyncConnection, book: Book, number: int) -> Entry | None:
    return await _one(conn, _in(book).where(entries.c.number == number))


async def of_person(conn: AsyncConnection, book: Book, iin: str, as_of: date, limit: int) -> list[Entry]:
    """What the register had of somebody on a day, newest first."""
    query = _in(book).where(_about(iin), entries.c.since <= as_of)
    return await _entries(conn, query.order_by(entries.c.number.desc()).limit(limit))


async def of_others(conn: AsyncConnection, book: Book, than: Collection[str], as_of: date) -> list[Entry]:
    """One entry that none of these people is in."""
    theirs = or_(entries.c.person_iin.in_(list(than)), func.coalesce(entries.c.related_iin, "").in_(list(than)))
    query = _in(book).where(~theirs, entries.c.since <= as_of)
    return await _entries(conn, query.order_by(entries.c.number).limit(1))


async def listed(conn: AsyncConnection, wanted: EntryFilter, *, after: tuple[str, str, int], limit: int) -> list[Entry]:
    """By register, region and number."""
    key = (entries.c.register, entries.c.region, entries.c.number)
    query = select(entries).where(_behind(after))
    if wanted.register is not None:
        query = query.where(entries.c.register == wanted.register)
    if wanted.region is not None:
        query = query.where(entries.c.region == wanted.region)
    if wanted.iin is not None:
        query = query.where(_about(wanted.iin))
    return await _entries(conn, query.order_by(*key).limit(limit))


async def line(conn: AsyncConnection, book: Book, category: str, day: date, limit: int) -> list[Entry]:
    """Who stands in a list, the first one first."""
    query = _in(book).where(entries.c.category == category, _stands(day))
    return await _entries(conn, query.order_by(entries.c.number).limit(limit))


async def place(conn: AsyncConnection, entry: Entry, day: date, *, now: bool) -> Place | None:
    """Where an entry stood on a day; None when it stands in no queue then. Free places are those of `now` alone."""
    if not entry.is_queue or not entry.stands(day):
        return None
    position = await _before(conn, entry.wish, entry.number, day) + 1
    free = await free_places(conn, entry.wish.book, _category(entry.wish)) if now else 0
    return Place(position, position <= free)


async def leave(conn: AsyncConnection, entry: Entry, day: date, how: Leaving) -> bool:
    """False when it has ended already."""
    own = (
        entries.c.register == entry.wish.register.value,
        entries.c.region == entry.wish.region,
        entries.c.number == entry.number,
    )
    still = update(entries).where(*own, entries.c.until.is_(None))
    return (await conn.execute(still.values(until=day, leaving=how.value))).rowcount == 1


async def free_places(conn: AsyncConnection, book: Book, category: str) -> int:
    query = select(places.c.free).where(
        places.c.register == book.register.value, places.c.region == book.region, places.c.category == category
    )
    return (await conn.execute(query)).scalar_one_or_none() or 0


async def set_free(conn: AsyncConnection, book: Book, category: str, free: int) -> None:
    key = {"register": book.register.value, "region": book.region, "category": category}
    insert = upsert(places, conn.dialect.name).values(**key, free=free)
    await conn.execute(insert.on_conflict_do_update(index_elements=list(key), set_={"free": free}))


async def _before(conn: AsyncConnection, wish: Wish, number: int, day: date) -> int:
    query = select(func.count()).where(
        entries.c.register == wish.register.value,
        entries.c.region == wish.region,
        entries.c.category == _category(wish),
        entries.c.number < number,
        _stands(day),
    )
    return int((await conn.execute(query)).scalar_one())


def _category(wish: Wish) -> str:
    return wish.category or GENERAL


def _in(book: Book) -> Select[Any]:
    return select(entries).where(entries.c.register == book.register.value, entries.c.region == book.region)


def _about(iin: str) -> ColumnElement[bool]:
    return or_(entries.c.person_iin == iin, entries.c.related_iin == iin)


def _stands(day: date) -> ColumnElement[bool]:
    return and_(entries.c.since <= day, or_(entries.c.until.is_(None), entries.c.until > day))


def _behind(after: tuple[str, str, int]) -> ColumnElement[bool]:
    register, region, number = after
    c = entries.c
    return or_(
        c.register > register,
        and_(c.register == register, or_(c.region > region, and_(c.region == region, c.number > number))),
    )


async def _one(conn: AsyncConnection, query: Select[Any]) -> Entry | None:
    found = await _entries(conn, query)
    return found[0] if found else None


async def _entries(conn: AsyncConnection, query: Select[Any]) -> list[Entry]:
    return [_entry(row) for row in await conn.execute(query)]


_OF_WISH = ("region", "person_iin", "related_iin", "since", "category", "family_size", "case_id", "details")


def _entry(row: Row[Any]) -> Entry:
    facts = {name: getattr(row, name) for name in _OF_WISH}
    leaving = None if row.leaving is None else Leaving(row.leaving)
    return Entry(Wish(Register(row.register), **facts), row.number, row.first_position, row.until, leaving)


def _row(entry: Entry) -> dict[str, Any]:
    wish = entry.wish
    facts = {name: getattr(wish, name) for name in _OF_WISH}
    own = {"number": entry.number, "first_position": entry.first_position, "until": entry.until}
    how = None if entry.leaving is None else entry.leaving.value
    return {"register": wish.register.value, **facts, **own, "leaving": how, "details": dict(wish.details)}

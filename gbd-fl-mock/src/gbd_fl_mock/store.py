"""Every query on persons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore, upsert
from gbd_fl_mock.domain.person import NAMES, Version, document_numbers, folded, search_keys
from gbd_fl_mock.tables import document_numbers as numbers
from gbd_fl_mock.tables import versions

VERSION_COLUMNS = [versions.c[name] for name in Version.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class PersonFilter:
    iin: str | None = None
    surname: str | None = None  # its beginning


async def is_empty(conn: AsyncConnection) -> bool:
    return not (await conn.execute(select(exists(select(versions.c.iin))))).scalar_one()


async def add_all(conn: AsyncConnection, found: Sequence[Version]) -> None:
    """The seed; of two replicas that start together one fills the register, and nothing is there twice."""
    dialect = conn.dialect.name
    await conn.execute(upsert(versions, dialect).on_conflict_do_nothing(), [_row(one) for one in found])
    held = {(number, one.iin) for one in found for number in document_numbers(one.person)}
    rows = [{"number": number, "iin": iin} for number, iin in sorted(held)]
    await conn.execute(upsert(numbers, dialect).on_conflict_do_nothing(), rows)


async def add(conn: AsyncConnection, version: Version) -> bool:
    """False when this version of the person is there already: somebody was quicker."""
    added = insert_ignore(versions, [_row(version)], conn.dialect.name).returning(versions.c.version)
    if (await conn.execute(added)).first() is None:
        return False
    if held := document_numbers(version.person):
        rows = [{"number": number, "iin": version.iin} for number in sorted(held)]
        await conn.execute(insert_ignore(numbers, rows, conn.dialect.name))
    return True


async def last(conn: AsyncConnection, iin: str) -> Version | None:
    query = select(*VERSION_COLUMNS).where(versions.c.iin == iin).order_by(versions.c.version.desc()).limit(1)
    return _first(await _versions(conn, query))


async def history(conn: AsyncConnection, iin: str) -> list[Version]:
    query = select(*VERSION_COLUMNS).where(versions.c.iin == iin).order_by(versions.c.version)
    return await _versions(conn, query)


async def listed(conn: AsyncConnection, wanted: PersonFilter, *, after: str, limit: int) -> list[Version]:
    """Last versions, by ИИН."""
    query = _standing(None).where(versions.c.iin > after)
    if wanted.iin is not None:
        query = query.where(versions.c.iin == wanted.iin)
    if wanted.surname is not None:
        query = query.where(versions.c.surname.startswith(folded(wanted.surname), autoescape=True))
    return await _versions(conn, query.limit(limit))


async def by_iin(conn: AsyncConnection, iin: str, as_of: date) -> Version | None:
    return _first(await _versions(conn, _standing(as_of).where(versions.c.iin == iin)))


async def by_names(conn: AsyncConnection, asked: dict[str, Any], as_of: date, limit: int) -> list[Version]:
    """A name that is left out means that the person has none."""
    query = _standing(as_of).where(versions.c.birth_date == date.fromisoformat(asked["birth_date"]))
    for name in NAMES:
        column = versions.c[name]
        query = query.where(column == folded(asked[name]) if name in asked else column.is_(None))
    return await _versions(conn, query.limit(limit))


async def by_document(conn: AsyncConnection, number: str, as_of: date) -> list[Version]:
    held = select(numbers.c.iin).where(numbers.c.number == number)
    found = await _versions(conn, _standing(as_of).where(versions.c.iin.in_(held)))
    return [one for one in found if number in document_numbers(one.person)]


async def somebody_else(conn: AsyncConnection, than: Iterable[str], as_of: date) -> Version | None:
    return _first(await _versions(conn, _standing(as_of).where(versions.c.iin.not_in(list(than))).limit(1)))


def _standing(as_of: date | None) -> Select[Any]:
    """The version of each person that counts on a day (None: the last), by ИИН."""
    other = versions.alias()
    newest = select(func.max(other.c.version)).where(other.c.iin == versions.c.iin)
    if as_of is not None:
        newest = newest.where(other.c.valid_from <= as_of)
    return select(*VERSION_COLUMNS).where(versions.c.version == newest.scalar_subquery()).order_by(versions.c.iin)


async def _versions(conn: AsyncConnection, query: Select[Any]) -> list[Version]:
    return [Version(**row._mapping) for row in await conn.execute(query)]


def _first(found: Sequence[Version]) -> Version | None:
    return found[0] if found else None


def _row(version: Version) -> dict[str, Any]:
    facts = {name: getattr(version, name) for name in Version.__dataclass_fields__}
    return {**facts, "person": dict(version.person), **search_keys(version.person)}

"""Every query on powers of attorney."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore
from enis_mock.domain import Attorney, Deed, Notary, Party
from enis_mock.tables import attorneys, parties

Role = Literal["principal", "representative"]


@dataclass(frozen=True, slots=True)
class AttorneyFilter:
    registry_number: str | None = None
    iin: str | None = None  # on either side


async def is_empty(conn: AsyncConnection) -> bool:
    return not (await conn.execute(select(exists(select(attorneys.c.id))))).scalar_one()


async def add(conn: AsyncConnection, deed: Deed, now: datetime) -> Attorney | None:
    """None when a deed of this number and date is there already."""
    row = {"registry_number": deed.registry_number, "date": deed.date, "recorded_at": now, "deed": _document(deed)}
    added = insert_ignore(attorneys, [row], conn.dialect.name).returning(attorneys.c.id)
    id_ = (await conn.execute(added)).scalar_one_or_none()
    if id_ is None:
        return None
    sides: tuple[tuple[Role, tuple[Party, ...]], ...] = (
        ("principal", deed.principals),
        ("representative", deed.representatives),
    )
    rows = {(role, party.iin) for role, side in sides for party in side if party.iin}
    if rows:
        found = [{"attorney_id": id_, "role": role, "iin": iin} for role, iin in sorted(rows)]
        await conn.execute(parties.insert(), found)
    return Attorney(id_, now, deed)


async def get(conn: AsyncConnection, id_: int) -> Attorney | None:
    found = await _attorneys(conn, select(attorneys).where(attorneys.c.id == id_))
    return found[0] if found else None


async def listed(conn: AsyncConnection, wanted: AttorneyFilter, *, after: int, limit: int) -> list[Attorney]:
    """In the order of recording."""
    query = select(attorneys).where(attorneys.c.id > after)
    if wanted.registry_number is not None:
        query = query.where(attorneys.c.registry_number == wanted.registry_number)
    if wanted.iin is not None:
        query = query.where(attorneys.c.id.in_(select(parties.c.attorney_id).where(parties.c.iin == wanted.iin)))
    return await _attorneys(conn, query.order_by(attorneys.c.id).limit(limit))


async def by_number(conn: AsyncConnection, number: str, day: date, as_of: date) -> list[Attorney]:
    query = _made_by(as_of).where(attorneys.c.registry_number == number, attorneys.c.date == day)
    return await _attorneys(conn, query)


async def by_party(conn: AsyncConnection, role: Role, iin: str, as_of: date, limit: int) -> list[Attorney]:
    """Newest first."""
    mine = select(parties.c.attorney_id).where(parties.c.role == role, parties.c.iin == iin)
    query = _made_by(as_of).where(attorneys.c.id.in_(mine))
    return await _attorneys(conn, query.order_by(attorneys.c.date.desc(), attorneys.c.id).limit(limit))


async def of_others(conn: AsyncConnection, than: Collection[str], as_of: date) -> list[Attorney]:
    """One deed in which none of these people is."""
    theirs = select(parties.c.attorney_id).where(parties.c.iin.in_(list(than)))
    query = _made_by(as_of).where(attorneys.c.id.not_in(theirs)).order_by(attorneys.c.id).limit(1)
    return await _attorneys(conn, query)


async def revoke(conn: AsyncConnection, id_: int, day: date, reason: str) -> bool:
    """False when it is revoked already."""
    standing = update(attorneys).where(attorneys.c.id == id_, attorneys.c.revoked_on.is_(None))
    return (await conn.execute(standing.values(revoked_on=day, revoke_reason=reason))).rowcount == 1


def _made_by(as_of: date) -> Select[Any]:
    """What the register had on a day."""
    return select(attorneys).where(attorneys.c.date <= as_of)


async def _attorneys(conn: AsyncConnection, query: Select[Any]) -> list[Attorney]:
    return [
        Attorney(row.id, row.recorded_at, _deed(row.deed), row.revoked_on, row.revoke_reason)
        for row in await conn.execute(query)
    ]


_DAYS = ("date", "valid_from", "valid_to")


def _document(deed: Deed) -> dict[str, Any]:
    return {**asdict(deed), **{name: getattr(deed, name).isoformat() for name in _DAYS}}


def _deed(document: Mapping[str, Any]) -> Deed:
    values = {
        **document,
        **{name: date.fromisoformat(document[name]) for name in _DAYS},
        "notary": Notary(**document["notary"]),
        "principals": tuple(Party(**party) for party in document["principals"]),
        "representatives": tuple(Party(**party) for party in document["representatives"]),
    }
    return Deed(**values)

"""Every query."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from cryptography import x509
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore
from nuc_mock import domain
from nuc_mock.domain import ListedCertificate, Profile, Reason, State
from nuc_mock.store.keys import AuthorityUnusable
from nuc_mock.tables import authorities, certificates, generations, other_lists, stamps


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A revocation list as it is served. `number` 0 means that there is none yet."""

    number: int
    der: bytes
    sha256: str
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    position: int
    serial: str
    thumbprint: str
    profile: Profile
    key: str
    common_name: str
    iin: str | None
    bin: str | None
    oddities: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    der: bytes
    state: State
    version: int
    listed_at: datetime | None
    reason: Reason | None
    generation: int
    renews: str | None

    @property
    def pem(self) -> str:
        return domain.pem_of([x509.load_der_x509_certificate(self.der)])


@dataclass(frozen=True, slots=True)
class Search:
    """What a page of certificates is looked for by; None does not restrict."""

    serial: str | None = None
    iin: str | None = None
    bin: str | None = None
    profile: str | None = None
    state: str | None = None


async def bind_authority(conn: AsyncConnection, name: str, thumbprint: str) -> None:
    """The database and the key files belong together from the first start on."""
    row = {"name": name, "thumbprint": thumbprint, "crl_number": 0}
    await conn.execute(insert_ignore(authorities, [row], conn.dialect.name))
    known = await conn.scalar(select(authorities.c.thumbprint).where(authorities.c.name == name))
    if known != thumbprint:
        raise AuthorityUnusable(
            f"the database belongs to another {name} authority ({known}) than the key files ({thumbprint}); "
            "put the old key files back, or start with an empty database"
        )


async def later_generations(conn: AsyncConnection) -> dict[int, str]:
    """Thumbprints of the issuing authority's certificates after the first, by generation."""
    rows = await conn.execute(select(generations.c.generation, generations.c.thumbprint))
    return {row.generation: row.thumbprint for row in rows}


async def add_generation(conn: AsyncConnection, generation: int, thumbprint: str, since: datetime) -> None:
    await conn.execute(generations.insert().values(generation=generation, thumbprint=thumbprint, since=since))


async def bases(conn: AsyncConnection, name: str) -> tuple[int, int]:
    """(latest complete list made by time alone, the one before it); 0 where there is none."""
    c = authorities.c
    row = (await conn.execute(select(c.last_base, c.base_before).where(c.name == name))).one()
    return row.last_base, row.base_before


async def put_other_list(conn: AsyncConnection, name: str, der: bytes) -> None:
    await conn.execute(delete(other_lists).where(other_lists.c.name == name))
    await conn.execute(other_lists.insert().values(name=name, der=der))


async def other_list(conn: AsyncConnection, name: str) -> bytes | None:
    found: bytes | None = await conn.scalar(select(other_lists.c.der).where(other_lists.c.name == name))
    return found


async def lock_authority(conn: AsyncConnection, name: str) -> int:
    """Holds the authority until the transaction ends; returns the number of its latest list."""
    query = select(authorities.c.crl_number).where(authorities.c.name == name).with_for_update()
    number: int = (await conn.execute(query)).scalar_one()
    return number


async def published_list(conn: AsyncConnection, name: str) -> PublishedList | None:
    c = authorities.c
    query = select(c.crl_number, c.crl, c.crl_sha256, c.this_update, c.next_update).where(c.name == name)
    row = (await conn.execute(query)).one()
    return None if row.crl is None else PublishedList(*row)


async def publish_list(conn: AsyncConnection, name: str, new: PublishedList, bases: tuple[int, int]) -> None:
    await conn.execute(
        update(authorities)
        .where(authorities.c.name == name)
        .values(
            crl_number=new.number,
            crl=new.der,
            crl_sha256=new.sha256,
            this_update=new.this_update,
            next_update=new.next_update,
            last_base=bases[0],
            base_before=bases[1],
        )
    )


async def add_certificate(conn: AsyncConnection, row: Mapping[str, Any]) -> IssuedCertificate:
    added = certificates.insert().values(state=State.GOOD, version=1, **row).returning(*certificates.c)
    return _issued((await conn.execute(added)).one()._mapping)


async def certificate(conn: AsyncConnection, serial: str) -> IssuedCertificate | None:
    row = (await conn.execute(select(certificates).where(certificates.c.serial == serial))).one_or_none()
    return None if row is None else _issued(row._mapping)


async def search_certificates(
    conn: AsyncConnection, wanted: Search, *, after: int, limit: int
) -> list[IssuedCertificate]:
    """At most `limit` certificates in order of issue, those after position `after`."""
    query = select(certificates).where(certificates.c.position > after)
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value is not None:
            query = query.where(certificates.c[field.name] == value)
    rows = await conn.execute(query.order_by(certificates.c.position).limit(limit))
    return [_issued(row._mapping) for row in rows]


async def standings(conn: AsyncConnection, serials: Sequence[int], generation: int) -> dict[int, domain.Standing]:
    """How those of them stand that were issued by this key of the issuing authority."""
    c = certificates.c
    wanted = [domain.serial_text(one) for one in serials if 0 < one < 1 << 160]
    query = select(c.serial, c.state, c.listed_at, c.reason)
    rows = await conn.execute(query.where(c.serial.in_(wanted), c.generation == generation))
    return {
        int(row.serial, 16): domain.Standing()
        if row.state == State.GOOD
        else domain.Standing(row.listed_at, Reason(row.reason))
        for row in rows
    }


async def add_stamp(conn: AsyncConnection, at: datetime, digest: str, imprint: bytes) -> int:
    """Its serial number."""
    added = stamps.insert().values(at=at, digest=digest, imprint=imprint).returning(stamps.c.serial)
    serial: int = (await conn.execute(added)).scalar_one()
    return serial


async def move_certificate(
    conn: AsyncConnection,
    old: IssuedCertificate,
    state: State,
    listed_at: datetime | None,
    reason: Reason | None,
    *,
    changed_in: int,
) -> bool:
    """Compare-and-set on the version; False when somebody else was first."""
    moved = (
        update(certificates)
        .where(certificates.c.serial == old.serial, certificates.c.version == old.version)
        .values(state=state, version=old.version + 1, listed_at=listed_at, reason=reason, changed_in=changed_in)
    )
    return (await conn.execute(moved)).rowcount == 1


async def listed_certificates(conn: AsyncConnection) -> Sequence[ListedCertificate]:
    """All that the issuing authority's list must name. Expired ones stay: old signatures are checked too."""
    c = certificates.c
    rows = await conn.execute(select(c.serial, c.listed_at, c.reason).where(c.state != State.GOOD).order_by(c.position))
    return [ListedCertificate(int(row.serial, 16), row.listed_at, Reason(row.reason)) for row in rows]


async def changes(conn: AsyncConnection, base: int, now: datetime) -> Sequence[ListedCertificate]:
    """What lists after number `base` told anew. A certificate that is good again was on one of them."""
    c = certificates.c
    query = select(c.serial, c.listed_at, c.reason).where(c.changed_in > base).order_by(c.position)
    return [
        ListedCertificate(int(row.serial, 16), row.listed_at or now, None if row.reason is None else Reason(row.reason))
        for row in await conn.execute(query)
    ]


def _issued(row: Mapping[Any, Any]) -> IssuedCertificate:
    values = {field.name: row[field.name] for field in fields(IssuedCertificate)}
    values["oddities"] = tuple(json.loads(values["oddities"]))
    values["profile"] = Profile(values["profile"])
    values["state"] = State(values["state"])
    values["reason"] = None if values["reason"] is None else Reason(values["reason"])
    return IssuedCertificate(**values)

"""Every query of ШЭП's register and attachments. The gateway's own queries are in egovgateway.store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_shep import tables as t

Row = RowMapping


async def participants(conn: AsyncConnection) -> Sequence[Row]:
    """All participants by code."""
    return (await conn.execute(select(t.participants).order_by(t.participants.c.code))).mappings().all()


async def participant(conn: AsyncConnection, code: str, *, lock: bool = False) -> Row | None:
    """One participant."""
    query = select(t.participants).where(t.participants.c.code == code)
    return (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()


async def insert_participant(conn: AsyncConnection, values: dict[str, Any]) -> None:
    """A new participant; IntegrityError when the code is taken."""
    await conn.execute(t.participants.insert().values(values))


async def update_participant(conn: AsyncConnection, code: str, values: dict[str, Any]) -> None:
    """Change a participant."""
    await conn.execute(update(t.participants).where(t.participants.c.code == code).values(values))


async def certificates(conn: AsyncConnection, code: str | None = None) -> Sequence[Row]:
    """Certificates in use (not withdrawn), oldest first; of one participant or of all."""
    c = t.participant_certificates.c
    query = select(t.participant_certificates).where(c.withdrawn_at.is_(None)).order_by(c.added_at, c.thumbprint)
    if code is not None:
        query = query.where(c.code == code)
    return (await conn.execute(query)).mappings().all()


async def certificate(conn: AsyncConnection, thumbprint: str) -> Row | None:
    """One certificate, withdrawn or not."""
    query = select(t.participant_certificates).where(t.participant_certificates.c.thumbprint == thumbprint)
    return (await conn.execute(query)).mappings().one_or_none()


async def insert_certificate(conn: AsyncConnection, values: dict[str, Any]) -> None:
    """A new certificate; IntegrityError when it is registered already."""
    await conn.execute(t.participant_certificates.insert().values(values))


async def withdraw_certificate(conn: AsyncConnection, code: str, thumbprint: str, now: datetime) -> int:
    """Take a certificate out of use; returns 1 when it was in use."""
    c = t.participant_certificates.c
    in_use = (c.code == code) & (c.thumbprint == thumbprint) & c.withdrawn_at.is_(None)
    changed = await conn.execute(update(t.participant_certificates).where(in_use).values(withdrawn_at=now))
    return changed.rowcount


async def newest_list(conn: AsyncConnection) -> Row | None:
    """The member list in force."""
    query = select(t.member_lists).order_by(t.member_lists.c.version.desc()).limit(1)
    return (await conn.execute(query)).mappings().one_or_none()


async def insert_list(conn: AsyncConnection, version: int, signed: str, now: datetime) -> None:
    """A new version of the list; IntegrityError when another process made that version."""
    await conn.execute(t.member_lists.insert().values(version=version, signed=signed, made_at=now))


async def attachment(conn: AsyncConnection, case_id: str, sha256: str) -> Row | None:
    """One attachment of a case."""
    c = t.attachments.c
    query = select(t.attachments).where(c.case_id == case_id, c.sha256 == sha256)
    return (await conn.execute(query)).mappings().one_or_none()


async def attachments_size(conn: AsyncConnection, case_id: str) -> int:
    """Bytes stored for a case so far."""
    c = t.attachments.c
    total = await conn.execute(select(func.coalesce(func.sum(c.size), 0)).where(c.case_id == case_id))
    return int(total.scalar_one())


async def insert_attachment(conn: AsyncConnection, values: dict[str, Any]) -> None:
    """A new attachment of a case."""
    await conn.execute(t.attachments.insert().values(values))


async def keep_attachments(conn: AsyncConnection, case_id: str) -> None:
    """The case was submitted: its attachments no longer run out."""
    where = t.attachments.c.case_id == case_id
    await conn.execute(update(t.attachments).where(where).values(expires_at=None))


async def expired_attachments(conn: AsyncConnection, now: datetime, limit: int) -> Sequence[Row]:
    """Attachments whose application never came."""
    query = select(t.attachments).where(t.attachments.c.expires_at <= now).limit(limit)
    return (await conn.execute(query)).mappings().all()


async def delete_attachment(conn: AsyncConnection, case_id: str, sha256: str) -> bool:
    """Forget an attachment of a case; True when no other case holds the same bytes."""
    c = t.attachments.c
    await conn.execute(t.attachments.delete().where(c.case_id == case_id, c.sha256 == sha256))
    left = await conn.execute(select(func.count()).where(c.sha256 == sha256))
    return int(left.scalar_one()) == 0


async def case(conn: AsyncConnection, case_id: str) -> Row | None:
    """The gateway's row of a case."""
    cases = t.gateway.cases
    return (await conn.execute(select(cases).where(cases.c.case_id == case_id))).mappings().one_or_none()

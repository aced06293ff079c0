"""Every query of ШЭП's register, attachments and dead letters. The gateway's own queries are in egovgateway.store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore
from gateway_shep import tables as t
from gateway_shep.domain import LetterState

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


async def attachments_size(conn: AsyncConnection, case_id: str, owner: str) -> int:
    """Bytes that one member has stored for a case so far."""
    c = t.attachments.c
    of_owner = (c.case_id == case_id, c.owner == owner)
    total = await conn.execute(select(func.coalesce(func.sum(c.size), 0)).where(*of_owner))
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


# What an operator sees of a dead letter: lists must not carry bodies about.
LETTER_FACTS = (
    "id", "queue", "reason", "deliveries", "received_at", "message_id", "size", "sha256", "envelope_id", "type",
    "source", "case_id", "regulation", "first_id", "generation", "state", "decided_at", "decided_by", "note",
    "put_back_at", "last_error",
)  # fmt: skip


async def insert_letters(conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Dead letters that are not there yet; the ids of those that went in."""
    insert = insert_ignore(t.dead_letters, rows, conn.dialect.name).returning(t.dead_letters.c.id)
    return set((await conn.execute(insert)).scalars())


async def letters(conn: AsyncConnection, ids: Collection[str], *, lock: bool = False) -> dict[str, Row]:
    """Dead letters by id, those that exist."""
    query = select(t.dead_letters).where(t.dead_letters.c.id.in_(ids))
    rows = (await conn.execute(query.with_for_update() if lock else query)).mappings()
    return {row["id"]: row for row in rows}


async def newest_letters(
    conn: AsyncConnection, wanted: Mapping[str, str], before: str | None, limit: int
) -> Sequence[Row]:
    """A page of dead letters with these values, newest first, all older than the letter `before`."""
    c = t.dead_letters.c
    query = select(*(c[name] for name in LETTER_FACTS)).where(*(c[name] == value for name, value in wanted.items()))
    if before is not None:
        query = query.where(c.id < before)
    return (await conn.execute(query.order_by(c.id.desc()).limit(limit))).mappings().all()


async def waiting_letters(
    conn: AsyncConnection, queues: Collection[str], reason: str | None, limit: int
) -> Sequence[Row]:
    """Undecided dead letters of these queues, oldest first, locked; those that somebody decides just now are left."""
    c = t.dead_letters.c
    query = select(*(c[name] for name in LETTER_FACTS)).where(c.state == LetterState.WAITING, c.queue.in_(queues))
    if reason is not None:
        query = query.where(c.reason == reason)
    query = query.order_by(c.id).limit(limit).with_for_update(skip_locked=True)
    return (await conn.execute(query)).mappings().all()


async def count_waiting_letters(conn: AsyncConnection) -> int:
    """How many dead letters wait for a decision."""
    c = t.dead_letters.c
    return int((await conn.execute(select(func.count()).where(c.state == LetterState.WAITING))).scalar_one())


async def update_letters(conn: AsyncConnection, ids: Collection[str], values: dict[str, Any]) -> None:
    """Change dead letters the caller has locked or leased."""
    await conn.execute(update(t.dead_letters).where(t.dead_letters.c.id.in_(ids)).values(values))


async def is_letter_due(conn: AsyncConnection, now: datetime) -> bool:
    """Whether some letter is to be put back now."""
    query = select(t.dead_letters.c.id).where(t.dead_letters.c.due_at <= now).limit(1)
    return (await conn.execute(query)).scalar() is not None


async def claim_letters(
    conn: AsyncConnection, now: datetime, lease_until: datetime, limit: int, flying: Collection[str]
) -> Sequence[Row]:
    """Letters to be put back, oldest first, without those `flying`: the caller's until `lease_until`."""
    c = t.dead_letters.c
    query = select(t.dead_letters).where(c.due_at <= now, c.id.not_in(flying))
    query = query.order_by(c.id).limit(limit).with_for_update(skip_locked=True)
    rows = (await conn.execute(query)).mappings().all()
    await update_letters(conn, [row["id"] for row in rows], {"due_at": lease_until})
    return rows


async def passages(conn: AsyncConnection, case_id: str) -> Sequence[Row]:
    """A case's measured envelopes, refused ones too, in the order they came."""
    e = t.gateway.envelopes
    query = select(e).where(e.c.case_id == case_id, e.c.limit_s.is_not(None)).order_by(e.c.received_at, e.c.id)
    return (await conn.execute(query)).mappings().all()


async def measured(conn: AsyncConnection, wanted: Mapping[str, Any]) -> Sequence[Row]:
    """Measured passages with their case's provider and regulation; by since, until, provider, regulation."""
    e, c = t.gateway.envelopes, t.gateway.cases
    columns = (c.c.provider, c.c.regulation, e.c.step, e.c.clause, e.c.limit_s, e.c.used_s, e.c.late)
    query = select(*columns).join(c, c.c.case_id == e.c.case_id).where(e.c.limit_s.is_not(None))
    if "since" in wanted:
        query = query.where(e.c.received_at >= wanted["since"])
    if "until" in wanted:
        query = query.where(e.c.received_at < wanted["until"])
    return (await conn.execute(_of(query, wanted))).mappings().all()


async def waiting(conn: AsyncConnection, wanted: Mapping[str, Any], now: datetime, limit: int = 200) -> Sequence[Row]:
    """Open cases whose next message is beyond its limit, the longest first."""
    c = t.gateway.cases
    query = select(c).where(c.c.due_at < now, c.c.ended.is_(False)).order_by(c.c.due_at).limit(limit)
    return (await conn.execute(_of(query, wanted))).mappings().all()


def _of(query: Select[Any], wanted: Mapping[str, Any]) -> Select[Any]:
    for name in ("provider", "regulation"):
        if name in wanted:
            query = query.where(t.gateway.cases.c[name] == wanted[name])
    return query

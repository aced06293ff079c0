"""Cases, their documents and their human numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from provider_arm.domain.cases import Case, CaseState, Decision, Staff
from provider_arm.store.paging import Page, encode, paged
from provider_arm.tables import cases, documents, hand_overs, provider_numbers, result_drafts

_BLOBS = {"document", "signature", "judged"}
CASE_COLUMNS: Final = [column for column in cases.c if column.name not in _BLOBS]
SORTS: Final = {
    "registered_at": cases.c.registered_at,
    "changed_at": cases.c.changed_at,
    "number": cases.c.number,
}


@dataclass(frozen=True, slots=True)
class CaseFilter:
    state: CaseState | None = None
    regulation: str | None = None
    number: str | None = None
    verified: bool | None = None


class Lodged(NamedTuple):
    """An application as it was signed; `judged`: what was known of the signature then. None: nothing could be read."""

    document: bytes
    signature: bytes
    judged: dict[str, Any] | None


class Outgoing(NamedTuple):
    """What ends a case: the refusal letter, or the signed result and what was known of its signature."""

    kind: str
    document: bytes
    signature: bytes | None
    judged: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A result prepared for signature: these bytes, for this certificate, at this version of the case."""

    staff_id: str
    document: bytes
    certificate: str
    case_version: int
    prepared_at: datetime


@dataclass(frozen=True, slots=True)
class HandOver:
    """A centre's signed record that it gave the result to the consumer or his representative."""

    case_id: str
    handed_over_at: datetime
    capacity: str
    iin: str
    status_version: int
    document: bytes
    signature: bytes
    reasons: list[str]  # why the record is not believed
    judged: dict[str, Any] | None


def case_of(row: RowMapping) -> Case:
    values = {column.name: row[column.name] for column in CASE_COLUMNS}
    values["state"], values["decision"] = CaseState(values["state"]), Decision.of(values["decision"])
    for name in ("attachments", "reasons", "trail"):
        values[name] = tuple(values[name])
    return Case(**values)


async def add(conn: AsyncConnection, case: Case, lodged: Lodged) -> None:
    values = {column.name: getattr(case, column.name) for column in CASE_COLUMNS}
    values |= {"state": case.state.value, "decision": None}  # nothing is decided at registration
    values |= {name: list(values[name]) for name in ("attachments", "reasons", "trail")}
    await conn.execute(insert(cases).values(**values, **lodged._asdict()))


async def next_number(conn: AsyncConnection, provider: str) -> int:
    """The provider's next running number. The row stays locked until the caller commits, so two registrations of
    one provider queue here and never share a number; a rolled-back one gives it back."""
    table = provider_numbers
    statement = upsert(table, conn.dialect.name).values(provider=provider, last=1)
    statement = statement.on_conflict_do_update(index_elements=[table.c.provider], set_={"last": table.c.last + 1})
    return int((await conn.execute(statement.returning(table.c.last))).scalar_one())


async def get(conn: AsyncConnection, case_id: str, *, lock: bool = False) -> Case | None:
    query = select(*CASE_COLUMNS).where(cases.c.id == case_id)
    if lock:
        query = query.with_for_update()
    row = (await conn.execute(query)).mappings().first()
    return case_of(row) if row else None


async def application(conn: AsyncConnection, case_id: str) -> Lodged:
    columns = (cases.c.document, cases.c.signature, cases.c.judged)
    return Lodged(*(await conn.execute(select(*columns).where(cases.c.id == case_id))).one())


async def decide(conn: AsyncConnection, case_id: str, decision: Decision) -> None:
    """What the draft says before it is signed; the case's version is that of its status and stays."""
    await conn.execute(update(cases).where(cases.c.id == case_id).values(decision=decision.as_data()))


async def change(conn: AsyncConnection, case: Case, values: Mapping[str, Any]) -> bool:
    """Compare-and-set on the version read before: False when somebody was quicker."""
    done = await conn.execute(
        update(cases)
        .where(cases.c.id == case.id, cases.c.version == case.version)
        .values(version=case.version + 1, **values)
    )
    return done.rowcount == 1


async def listed(conn: AsyncConnection, person: Staff, wanted: CaseFilter, page: Page) -> tuple[list[Case], str | None]:
    query = select(*CASE_COLUMNS).where(cases.c.region == person.region)
    if person.provider is not None:
        query = query.where(cases.c.provider == person.provider)
    for name in ("state", "regulation", "number", "verified"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(cases.c[name] == value)
    rows = (await conn.execute(paged(query, page, SORTS, cases.c.id))).mappings().all()
    found = [case_of(row) for row in rows[: page.limit]]
    if len(rows) <= page.limit:
        return found, None
    last = found[-1]
    return found, encode(page.sort, getattr(last, page.column), last.id)


async def add_document(
    conn: AsyncConnection,
    case_id: str,
    made: Outgoing,
    by: tuple[str, datetime],
) -> None:
    staff_id, at = by
    await conn.execute(insert(documents).values(case_id=case_id, made_by=staff_id, made_at=at, **made._asdict()))


async def outgoing_document(conn: AsyncConnection, case_id: str) -> Outgoing | None:
    row = (await conn.execute(select(documents).where(documents.c.case_id == case_id))).first()
    return Outgoing(row.kind, row.document, row.signature, row.judged) if row else None


async def keep_draft(conn: AsyncConnection, case_id: str, draft: Draft) -> None:
    """The last preparation counts; an earlier one of the same person is replaced."""
    values = {
        "staff_id": draft.staff_id,
        "document": draft.document,
        "certificate": draft.certificate,
        "case_version": draft.case_version,
        "prepared_at": draft.prepared_at,
    }
    done = await conn.execute(update(result_drafts).where(result_drafts.c.case_id == case_id).values(**values))
    if done.rowcount == 0:
        await conn.execute(insert(result_drafts).values(case_id=case_id, **values))


async def draft(conn: AsyncConnection, case_id: str) -> Draft | None:
    row = (await conn.execute(select(result_drafts).where(result_drafts.c.case_id == case_id))).first()
    if row is None:
        return None
    return Draft(row.staff_id, row.document, row.certificate, row.case_version, row.prepared_at)


async def add_hand_over(conn: AsyncConnection, record: HandOver) -> None:
    await conn.execute(insert(hand_overs).values(**asdict(record)))


async def hand_over(conn: AsyncConnection, case_id: str) -> HandOver | None:
    row = (await conn.execute(select(hand_overs).where(hand_overs.c.case_id == case_id))).mappings().first()
    return HandOver(**row) if row else None

"""Receipts of the desk, and results given out there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.cases import Staff
from provider_arm.domain.desks import GivenOut, Receipt, ReceiptKind, Way
from provider_arm.store.paging import Page, encode, paged
from provider_arm.tables import give_outs, receipts

NEWEST_FIRST: Final = "-issued_at"


@dataclass(frozen=True, slots=True)
class ReceiptFilter:
    kind: ReceiptKind | None = None
    regulation: str | None = None
    channel: str | None = None


def _receipt(row: RowMapping) -> Receipt:
    return Receipt(**{**row, "kind": ReceiptKind(row["kind"])})


async def add_receipt(conn: AsyncConnection, receipt: Receipt) -> None:
    await conn.execute(insert(receipts).values(**{**asdict(receipt), "kind": receipt.kind.value}))


async def receipt(conn: AsyncConnection, receipt_id: str) -> Receipt | None:
    row = (await conn.execute(select(receipts).where(receipts.c.id == receipt_id))).mappings().first()
    return _receipt(row) if row else None


async def listed(
    conn: AsyncConnection, person: Staff, wanted: ReceiptFilter, page: Page
) -> tuple[list[Receipt], str | None]:
    query = select(receipts).where(receipts.c.region == person.region)
    if person.provider is not None:
        query = query.where(receipts.c.provider == person.provider)
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value is not None:
            query = query.where(receipts.c[field.name] == value)
    sorts = {"issued_at": receipts.c.issued_at}
    rows = (await conn.execute(paged(query, page, sorts, receipts.c.id))).mappings().all()
    found = [_receipt(row) for row in rows[: page.limit]]
    last = found[-1] if len(rows) > page.limit else None
    return found, None if last is None else encode(page.sort, last.issued_at, last.id)


async def add_given_out(conn: AsyncConnection, given: GivenOut) -> None:
    await conn.execute(insert(give_outs).values(**{**asdict(given), "way": given.way.value}))


async def given_out(conn: AsyncConnection, case_id: str) -> GivenOut | None:
    row = (await conn.execute(select(give_outs).where(give_outs.c.case_id == case_id))).mappings().first()
    return GivenOut(**{**row, "way": Way(row["way"])}) if row else None

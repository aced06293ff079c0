"""Pages of results: prepared, sealed, issued."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from egovkit.signatures.pdf import PreparedPage
from provider_arm.tables import page_drafts, result_pages


@dataclass(frozen=True, slots=True)
class PageDraft:
    """The page of one document with one signature over it. `sealed`: the signed PDF, `page_signature` being in it."""

    document_sha256: str
    signature: bytes
    page: PreparedPage
    page_signature: bytes | None = None
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class PageFacts:
    sha256: str
    size: int  # bytes


async def keep_draft(conn: AsyncConnection, case_id: str, draft: PageDraft) -> None:
    """The last one counts."""
    values = {
        "case_id": case_id,
        "document_sha256": draft.document_sha256,
        "signature": draft.signature,
        "pdf": draft.page.pdf,
        "hole_start": draft.page.start,
        "hole_end": draft.page.end,
        "page_signature": draft.page_signature,
        "sealed": draft.sealed,
    }
    statement = upsert(page_drafts, conn.dialect.name).values(values)
    await conn.execute(statement.on_conflict_do_update(index_elements=[page_drafts.c.case_id], set_=values))


async def draft_of(conn: AsyncConnection, case_id: str, document: bytes) -> PageDraft | None:
    """None also when the result was prepared anew since."""
    digest = hashlib.sha256(document).hexdigest()
    query = select(page_drafts).where(page_drafts.c.case_id == case_id, page_drafts.c.document_sha256 == digest)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    page = PreparedPage(row.pdf, row.hole_start, row.hole_end)
    return PageDraft(digest, row.signature, page, row.page_signature, row.sealed)


async def keep_sealed(conn: AsyncConnection, case_id: str, draft: PageDraft) -> None:
    """Of this very draft: one prepared meanwhile stays as it is."""
    same = (page_drafts.c.case_id == case_id, page_drafts.c.pdf == draft.page.pdf)
    values = {"page_signature": draft.page_signature, "sealed": draft.sealed}
    await conn.execute(update(page_drafts).where(*same).values(**values))


async def issue(conn: AsyncConnection, case_id: str, pdf: bytes | None) -> None:
    """The result's page, and no draft any more."""
    await conn.execute(delete(page_drafts).where(page_drafts.c.case_id == case_id))
    if pdf is not None:
        values = {"case_id": case_id, "sha256": hashlib.sha256(pdf).hexdigest(), "pdf": pdf}
        await conn.execute(result_pages.insert().values(values))


async def facts_of(conn: AsyncConnection, case_id: str) -> PageFacts | None:
    query = select(result_pages.c.sha256, func.length(result_pages.c.pdf).label("size"))
    row = (await conn.execute(query.where(result_pages.c.case_id == case_id))).one_or_none()
    return None if row is None else PageFacts(row.sha256, row.size)


async def pdf_of(conn: AsyncConnection, case_id: str) -> bytes | None:
    pdf: bytes | None = (
        await conn.execute(select(result_pages.c.pdf).where(result_pages.c.case_id == case_id))
    ).scalar_one_or_none()
    return pdf

"""The signed page of a result: the bytes the official signed, and no others.

The provider's message names it; its bytes are in ШЭП's store. They are fetched when somebody first asks for them, so
that a result waits for no store, and kept here from then on.
"""

from __future__ import annotations

import asyncio

from egovkit.attachments import Claim
from egovkit.errors import EgovError
from egovkit.signatures.pages import page_problem
from egovorigin.attaching import aad
from egovorigin.origin import AnyOrigin
from egovorigin.store.cases import OriginCase
from egovorigin.store.files import Result


async def signed_page(origin: AnyOrigin, case: OriginCase, result: Result) -> bytes:
    """EgovError result.page_absent, .page_not_believed, and what the store says: attachment.unavailable, .gone,
    .altered."""
    if result.page_sha256 is None or result.page_size is None:
        raise EgovError("result.page_absent")
    bound_to = aad(result.case_id, result.page_sha256)
    async with origin.db.read() as conn:
        kept = await origin.files.page_of(conn, result.case_id, result.page_sha256)
    if kept is not None:
        return await asyncio.to_thread(origin.sealer.open, kept, bound_to)
    pdf = await origin.attachments.fetch(Claim(result.case_id, result.page_sha256, result.page_size))
    signed, now = (str((result.judged or {"signer": {}})["signer"].get("certificate")), case.number), origin.clock.now()
    problem = await page_problem(pdf, origin.trust, now, await origin.revocation(), signed=signed)
    if problem is not None:
        raise EgovError("result.page_not_believed", reason=problem)
    sealed = await asyncio.to_thread(origin.sealer.seal, pdf, bound_to)
    async with origin.db.begin() as conn:
        await origin.files.keep_page(conn, result.case_id, result.page_sha256, sealed)
    return pdf

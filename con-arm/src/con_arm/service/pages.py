"""The signed page of a result: the bytes the official signed, and no others.

The provider's message names it; its bytes are in ШЭП's store. They are fetched when somebody first asks for them, so
that a result waits for no store, and kept here from then on.
"""

from __future__ import annotations

import asyncio

from con_arm.service.parts import Centre
from con_arm.store import files
from con_arm.store.cases import Case
from con_arm.store.files import Result
from egovkit.attachments import Claim
from egovkit.errors import EgovError
from egovkit.signatures.pages import page_problem


async def signed_page(centre: Centre, case: Case, result: Result) -> bytes:
    """EgovError result.page_absent, .page_not_believed, and what the store says: attachment.unavailable, .gone,
    .altered."""
    if result.page_sha256 is None or result.page_size is None:
        raise EgovError("result.page_absent")
    bound_to = f"{result.case_id}/{result.page_sha256}".encode()
    async with centre.db.read() as conn:
        kept = await files.page_of(conn, result.case_id, result.page_sha256)
    if kept is not None:
        return await asyncio.to_thread(centre.sealer.open, kept, bound_to)
    pdf = await centre.attachments.fetch(Claim(result.case_id, result.page_sha256, result.page_size))
    signed, now = (str((result.judged or {"signer": {}})["signer"].get("certificate")), case.number), centre.clock.now()
    problem = await page_problem(pdf, centre.trust, now, await centre.revocation(), signed=signed)
    if problem is not None:
        raise EgovError("result.page_not_believed", reason=problem)
    sealed = await asyncio.to_thread(centre.sealer.seal, pdf, bound_to)
    async with centre.db.begin() as conn:
        await files.keep_page(conn, result.case_id, result.page_sha256, sealed)
    return pdf

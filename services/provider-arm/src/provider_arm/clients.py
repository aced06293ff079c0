"""Calls out: НУЦ, whose stamps make a signed page last."""

from __future__ import annotations

import httpx

from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate
from egovkit.signatures.pdf import PreparedPage, finish_page, gather_evidence
from egovkit.signatures.revocation import RevocationStatus


class PageSealer:
    """Makes an official's signature in a page lasting, with НУЦ's stamps and what it says of revocation now."""

    def __init__(self, http: httpx.AsyncClient, nuc_url: str, root: Certificate, clock: Clock) -> None:
        self._http, self._nuc, self._root, self._clock = http, nuc_url.rstrip("/"), root, clock

    async def seal(self, page: PreparedPage, cms: bytes, judged_by: RevocationStatus | None) -> bytes:
        """The signed PDF, B-LTA. `judged_by`: the word of revocation that the signature was believed by. EgovError
        result.page_not_sealed: nothing has changed, and what to do."""
        from egovkit.signatures.stamps import StampService  # pyHanko: only where a page is signed

        try:
            evidence = await gather_evidence(self._http, self._nuc, self._root, judged_by)
            stamper = StampService(self._http, f"{self._nuc}/tsp")
            return await finish_page(page, cms, stamper, evidence, self._clock.now())
        except EgovError as error:
            if error.code not in ("service.unavailable", "stamp.unavailable", "stamp.refused", "pdf.not_sealed"):
                raise
            raise EgovError("result.page_not_sealed", reason=error.code, technical=str(error)) from error

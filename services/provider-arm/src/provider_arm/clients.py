"""Calls out: ШЭП's attachment API, and НУЦ, whose stamps make a signed page last."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from egovkit.attachments import Claim, fetch
from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate
from egovkit.signatures.pdf import PreparedPage, finish_page, gather_evidence
from egovkit.signatures.revocation import RevocationStatus
from provider_arm.domain.files import Scan


class Attachments:
    """Fetches and stores attachments of our cases. `access` makes the short-lived token by which a member shows who
    it is."""

    def __init__(self, http: httpx.AsyncClient, shep_url: str, access: Callable[[], str], timeout_s: float) -> None:
        self._http = http
        self._shep_url = shep_url.rstrip("/")
        self._access = access
        self._timeout_s = timeout_s

    async def fetch(self, case_id: str, sha256: str, size: int) -> bytes:
        """The exact bytes the applicant attached, or an EgovError that says who has to act."""
        claim = Claim(case_id, sha256, size)
        return await fetch(self._http, self._shep_url, self._access(), claim, timeout_s=self._timeout_s)

    async def put(self, case_id: str, scan: Scan, content: bytes) -> None:
        """Stores a scan for a case of ours; again, it changes nothing.

        EgovError attachment.store_unavailable when it cannot be done now, attachment.store_refused when it never will.
        """
        try:
            answer = await self._http.put(
                f"{self._shep_url}/v1/attachments/{scan.sha256}",
                params={"case": case_id},
                headers={"authorization": f"Bearer {self._access()}", "content-type": scan.type},
                content=content,
                timeout=self._timeout_s,
            )
        except httpx.HTTPError as error:
            raise EgovError("attachment.store_unavailable", reason=type(error).__name__) from error
        if answer.status_code >= 500 or answer.status_code in (401, 408, 429):
            raise EgovError("attachment.store_unavailable", reason=str(answer.status_code))
        if not answer.is_success:
            raise EgovError("attachment.store_refused", name=scan.name, reason=str(answer.status_code))


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

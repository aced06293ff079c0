"""Calls out: ШЭП's attachment API. What comes back is believed only after its SHA-256 agrees."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import httpx

from egovkit.errors import EgovError
from provider_arm.domain.files import MAX_FILE, Scan


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
        content = await self._get(case_id, sha256, size)
        if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
            raise EgovError("attachment.altered", sha256=sha256)
        return content

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

    async def _get(self, case_id: str, sha256: str, size: int) -> bytes:
        content = bytearray()
        try:
            async with self._http.stream(
                "GET",
                f"{self._shep_url}/v1/attachments/{sha256}",
                params={"case": case_id},
                headers={"authorization": f"Bearer {self._access()}"},
                timeout=self._timeout_s,
            ) as answer:
                if answer.status_code in (403, 404, 410):
                    raise EgovError("attachment.gone", sha256=sha256)
                if answer.status_code != 200:
                    raise EgovError("attachment.unavailable", answered=answer.status_code)
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > min(size, MAX_FILE):
                        raise EgovError("attachment.altered", sha256=sha256)  # longer than promised: stop reading
        except httpx.HTTPError as error:
            raise EgovError("attachment.unavailable", answered=type(error).__name__) from error
        return bytes(content)

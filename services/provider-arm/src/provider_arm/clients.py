"""Calls out: ШЭП's attachment API. What comes back is believed only after its SHA-256 agrees."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import httpx

from egovkit.errors import EgovError

MAX_ATTACHMENT = 10 * 1024 * 1024  # bytes; the contract's limit for one file


class Attachments:
    """Fetches attachments of our cases. `access` makes the short-lived token by which a member shows who it is."""

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
                    if len(content) > min(size, MAX_ATTACHMENT):
                        raise EgovError("attachment.altered", sha256=sha256)  # longer than promised: stop reading
        except httpx.HTTPError as error:
            raise EgovError("attachment.unavailable", answered=type(error).__name__) from error
        return bytes(content)

"""Files of a case at the gateway's attachment store. What comes back is believed only after its SHA-256 agrees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import httpx

from egovkit.access import access_token, code_of
from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.files import MAX_FILE, Attachment
from egovkit.ids import Ids
from egovkit.signatures.custody import KeyCustody


@dataclass(frozen=True, slots=True)
class Claim:
    """A file as an envelope names it: the case it belongs to, its SHA-256 (hex) and its size in bytes."""

    case: str
    sha256: str
    size: int


class AttachmentStore(Protocol):
    """Where files go before the envelope that names them; both sides of the case may fetch them then."""

    async def put(self, case: str, facts: Attachment, content: bytes) -> None:
        """Stores the bytes under their SHA-256. Putting them again changes nothing. EgovError
        attachment.store_unavailable when it cannot be done now, .store_refused when it never will."""

    async def fetch(self, claim: Claim) -> bytes:
        """The exact bytes. EgovError attachment.unavailable (ask again), .gone, .altered: who has to act."""


class GatewayAttachments:
    """ШЭП's attachment API, entered with the system key of `source`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        key: KeyCustody,
        clock: Clock,
        ids: Ids,
        *,
        base_url: str,
        source: str,
        timeout_s: float,
    ) -> None:
        self._http, self._key, self._clock, self._ids = http, key, clock, ids
        self._url, self._source, self._timeout = f"{base_url.rstrip('/')}/v1/attachments", source, timeout_s

    async def put(self, case: str, facts: Attachment, content: bytes) -> None:
        try:
            answer = await self._http.put(
                f"{self._url}/{facts.sha256}",
                params={"case": case},
                content=content,
                headers={**self._access(), "content-type": facts.type},
                timeout=self._timeout,
            )
        except httpx.HTTPError as error:
            raise EgovError("attachment.store_unavailable", technical=type(error).__name__) from error
        if answer.is_success:
            return
        if answer.status_code >= 500 or answer.status_code in (401, 408, 429):
            raise EgovError("attachment.store_unavailable", technical=str(answer.status_code))
        raise EgovError("attachment.store_refused", name=facts.name, reason=code_of(answer))

    async def fetch(self, claim: Claim) -> bytes:
        content, longest = bytearray(), min(claim.size, MAX_FILE)
        try:
            async with self._http.stream(
                "GET",
                f"{self._url}/{claim.sha256}",
                params={"case": claim.case},
                headers=self._access(),
                timeout=self._timeout,
            ) as answer:
                if answer.status_code in (403, 404, 410):
                    raise EgovError("attachment.gone", sha256=claim.sha256)
                if answer.status_code != 200:
                    raise EgovError("attachment.unavailable", technical=str(answer.status_code))
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > longest:  # longer than promised: stop reading
                        raise EgovError("attachment.altered", sha256=claim.sha256)
        except httpx.HTTPError as error:
            raise EgovError("attachment.unavailable", technical=type(error).__name__) from error
        if len(content) != claim.size or hashlib.sha256(content).hexdigest() != claim.sha256:
            raise EgovError("attachment.altered", sha256=claim.sha256)
        return bytes(content)

    def _access(self) -> dict[str, str]:
        token = access_token(self._key, self._clock, self._ids, source=self._source)
        return {"authorization": f"Bearer {token}"}

"""Files of a case from the gateway's attachment store. What comes back is believed only after its SHA-256 agrees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import httpx

from egovkit.errors import EgovError

MAX_FILE: Final = 10 * 1024 * 1024  # bytes; contracts/messages/case.submitted.schema.json says the same


@dataclass(frozen=True, slots=True)
class Claim:
    """A file as an envelope names it: the case it belongs to, its SHA-256 (hex) and its size in bytes."""

    case: str
    sha256: str
    size: int


async def fetch(http: httpx.AsyncClient, shep_url: str, token: str, claim: Claim, *, timeout_s: float) -> bytes:
    """The exact bytes. `token` shows which member asks (`egov-access+jwt`).

    EgovError attachment.unavailable (ask again), attachment.gone, attachment.altered: who has to act.
    """
    content, longest = bytearray(), min(claim.size, MAX_FILE)
    try:
        async with http.stream(
            "GET",
            f"{shep_url.rstrip('/')}/v1/attachments/{claim.sha256}",
            params={"case": claim.case},
            headers={"authorization": f"Bearer {token}"},
            timeout=timeout_s,
        ) as answer:
            if answer.status_code in (403, 404, 410):
                raise EgovError("attachment.gone", sha256=claim.sha256)
            if answer.status_code != 200:
                raise EgovError("attachment.unavailable", answered=answer.status_code)
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > longest:  # longer than promised: stop reading
                    raise EgovError("attachment.altered", sha256=claim.sha256)
    except httpx.HTTPError as error:
        raise EgovError("attachment.unavailable", answered=type(error).__name__) from error
    if len(content) != claim.size or hashlib.sha256(content).hexdigest() != claim.sha256:
        raise EgovError("attachment.altered", sha256=claim.sha256)
    return bytes(content)

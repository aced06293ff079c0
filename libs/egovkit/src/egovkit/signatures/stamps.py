"""Asking for and reading time stamps (RFC 3161): proof that bytes existed at a moment, by who has nothing to gain."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
from pyhanko.sign.timestamps import TimeStamper

from egovkit.errors import EgovError

if TYPE_CHECKING:
    from asn1crypto import tsp

__all__ = ["MAX_STAMP", "StampService"]

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"  # RFC 3161, 3.4
MAX_STAMP = 64 * 1024  # a token with its chain takes 6 KB
SECONDS = 10.0


class StampService(TimeStamper):
    """A time stamping authority at an address, in the form pyHanko asks: `async_timestamp(digest, "sha256")` gives the
    token as a CMS ContentInfo.

    EgovError stamp.unavailable (nobody answers, or not with a stamp), stamp.refused (its own reason).
    """

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        super().__init__()
        self._http, self._url = http, url

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return read_reply(await self._ask(req.dump()))

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
        from pyhanko.sign.timestamps.common_utils import TimestampRequestError

        try:
            return await super().async_timestamp(message_digest, md_algorithm)
        except TimestampRequestError as error:  # a refusal's status and text, or another's nonce
            raise EgovError("stamp.refused", reason=str(error)[:200]) from None

    async def token(self, digest: bytes) -> bytes:
        """The DER of a token over a SHA-256."""
        return bytes((await self.async_timestamp(digest, "sha256")).dump())

    async def _ask(self, query: bytes) -> bytes:
        """No redirect is followed, and no more is read than a stamp can be long."""
        headers, got = {"Content-Type": QUERY_TYPE}, bytearray()
        try:
            async with self._http.stream(
                "POST", self._url, content=query, headers=headers, timeout=SECONDS, follow_redirects=False
            ) as response:
                kind = response.headers.get("content-type", "").partition(";")[0]
                if response.status_code != 200 or kind != REPLY_TYPE:
                    raise EgovError("stamp.unavailable", reason=f"{response.status_code} {kind}")
                async for part in response.aiter_bytes():
                    got += part
                    if len(got) > MAX_STAMP:
                        raise EgovError("stamp.unavailable", reason="longer than any stamp")
        except httpx.HTTPError as error:
            raise EgovError("stamp.unavailable", reason=type(error).__name__) from None
        return bytes(got)


def read_reply(reply: bytes) -> tsp.TimeStampResp:
    """The reply, walked through once: asn1crypto reads lazily, and hostile DER raises almost anything."""
    from asn1crypto import tsp

    try:
        found: tsp.TimeStampResp = tsp.TimeStampResp.load(reply, strict=True)
        _ = found.native
    except Exception as error:
        raise EgovError("stamp.unavailable", reason=f"not a reply: {type(error).__name__}") from None
    return found

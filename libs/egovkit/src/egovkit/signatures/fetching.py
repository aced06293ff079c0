"""Bytes from another host, bounded: no redirect is followed, no more is read than the thing can be long, and no longer
than the given seconds in all, however slowly it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

__all__ = ["TooLong", "fetch"]


class TooLong(httpx.HTTPError):
    """More came than the thing can be long."""


async def fetch(
    http: httpx.AsyncClient,
    url: str,
    *,
    longest: int,
    seconds: float,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[httpx.Response, bytes]:
    """The answer, whatever its status, and its body: a POST where there is `content`, else a GET.

    httpx.HTTPError when there is none, it takes longer than `seconds`, or is longer than `longest` bytes (TooLong).
    """
    got = bytearray()
    method = "GET" if content is None else "POST"
    try:
        async with (
            asyncio.timeout(seconds),
            http.stream(method, url, content=content, headers=headers, follow_redirects=False) as response,
        ):
            async for part in response.aiter_bytes():
                got += part
                if len(got) > longest:
                    raise TooLong(f"{url} answers with more than {longest} bytes")
    except TimeoutError:
        raise httpx.ReadTimeout(f"{url} has not answered in full after {seconds:.0f} s") from None
    return response, bytes(got)

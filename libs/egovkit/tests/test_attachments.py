"""Files fetched from the gateway's store: the exact bytes that were named, or who has to act."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from egovkit.attachments import MAX_FILE, Claim, fetch
from egovkit.errors import EgovError

pytestmark = pytest.mark.unit

PDF = b"%PDF-1.7 a page"
CLAIM = Claim("01a2129a-0000-7000-8000-000000000000", hashlib.sha256(PDF).hexdigest(), len(PDF))


def store(answer: httpx.Response | Exception, asked: list[httpx.Request] | None = None) -> httpx.AsyncClient:
    def handle(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(handle))


async def test_the_bytes_are_those_that_were_named() -> None:
    asked: list[httpx.Request] = []
    found = await fetch(store(httpx.Response(200, content=PDF), asked), "http://shep/", "token", CLAIM, timeout_s=1)
    [request] = asked
    assert found == PDF and request.headers["authorization"] == "Bearer token"
    assert str(request.url) == f"http://shep/v1/attachments/{CLAIM.sha256}?case={CLAIM.case}"


@pytest.mark.parametrize(
    ("answer", "claim", "code"),
    [
        (httpx.Response(200, content=PDF[:-1] + b"!"), CLAIM, "attachment.altered"),
        (httpx.Response(200, content=PDF + b"!"), CLAIM, "attachment.altered"),
        (httpx.Response(200, content=PDF[:-1]), CLAIM, "attachment.altered"),
        (httpx.Response(200, content=bytes(MAX_FILE + 1)), Claim("c", "0" * 64, 10**9), "attachment.altered"),
        (httpx.Response(404), CLAIM, "attachment.gone"),
        (httpx.Response(403), CLAIM, "attachment.gone"),
        (httpx.Response(503), CLAIM, "attachment.unavailable"),
        (httpx.ConnectError("no"), CLAIM, "attachment.unavailable"),
    ],
)
async def test_anything_else_says_who_has_to_act(answer: httpx.Response | Exception, claim: Claim, code: str) -> None:
    with pytest.raises(EgovError) as refused:
        await fetch(store(answer), "http://shep", "token", claim, timeout_s=1)
    assert refused.value.code == code

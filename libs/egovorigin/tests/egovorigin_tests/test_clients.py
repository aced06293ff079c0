"""The call to ШЭП's attachment store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from egovkit.errors import EgovError
from egovkit.signatures.jws import verify_compact
from egovorigin.clients import GatewayAttachments
from egovorigin.domain.files import describe

CONTENT = b"%PDF-1.7 copy"
FACTS = describe("copy.pdf", "application/pdf", CONTENT)
CASE = "019bbfcf-6a00-71cb-98b2-d48879552c1d"


def store(answer: Callable[[httpx.Request], httpx.Response], pki: Any, clock: Any, ids: Any) -> GatewayAttachments:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    key = pki.system("origin")
    store = GatewayAttachments(http, key, clock, ids, base_url="http://shep/", source="origin", timeout_s=5)
    object.__setattr__(store, "key", key)
    return store


async def test_a_file_is_put_under_its_hash_with_a_short_token_of_the_system(pki: Any, clock: Any, ids: Any) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201)

    client = store(answer, pki, clock, ids)
    await client.put(CASE, "provider-arm", FACTS, CONTENT)
    await client.put(CASE, "provider-arm", FACTS, CONTENT)
    request = seen[0]
    assert request.method == "PUT" and request.content == CONTENT
    assert str(request.url) == f"http://shep/v1/attachments/{FACTS.sha256}?case={CASE}&recipient=provider-arm"
    assert request.headers["content-type"] == "application/pdf"
    certificate = client.key.certificate  # type: ignore[attr-defined]
    tokens = [one.headers["authorization"].removeprefix("Bearer ") for one in seen]
    claims = [verify_compact(token, lambda _: certificate, "egov-access+jwt") for token in tokens]
    assert claims[0]["iss"] == "origin" and claims[0]["aud"] == "gateway-shep"
    assert claims[0]["exp"] - claims[0]["iat"] == 60 and claims[0]["jti"] != claims[1]["jti"]


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
async def test_what_may_pass_later_is_unavailable(pki: Any, clock: Any, ids: Any, status: int) -> None:
    client = store(lambda _: httpx.Response(status), pki, clock, ids)
    with pytest.raises(EgovError) as refused:
        await client.put(CASE, "provider-arm", FACTS, CONTENT)
    assert refused.value.code == "attachment.store_unavailable"


async def test_no_answer_is_unavailable(pki: Any, clock: Any, ids: Any) -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("no answer", request=request)

    with pytest.raises(EgovError) as refused:
        await store(silent, pki, clock, ids).put(CASE, "provider-arm", FACTS, CONTENT)
    assert refused.value.code == "attachment.store_unavailable"


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"code": "attachment.case_full"}', "attachment.case_full"), (b"<html>", "413"), (b"[]", "413")],
)
async def test_what_never_will_pass_is_refused_with_the_gateways_code(
    pki: Any, clock: Any, ids: Any, body: bytes, reason: str
) -> None:
    client = store(lambda _: httpx.Response(413, content=body), pki, clock, ids)
    with pytest.raises(EgovError) as refused:
        await client.put(CASE, "provider-arm", FACTS, CONTENT)
    assert refused.value.code == "attachment.store_refused" and refused.value.params["reason"] == reason

"""ШЭП's attachment store: bytes put under their hash by a token of the member, and fetched as the exact bytes that were
named; else who has to act."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from egovkit.attachments import Claim, GatewayAttachments
from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.files import MAX_FILE, describe
from egovkit.ids import Ids
from egovkit.signatures.jws import verify_compact
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki

pytestmark = pytest.mark.unit

PDF = b"%PDF-1.7 a page"
FACTS = describe("copy.pdf", "application/pdf", PDF)
CASE = "01a2129a-0000-7000-8000-000000000000"
CLAIM = Claim(CASE, hashlib.sha256(PDF).hexdigest(), len(PDF))

Answer = httpx.Response | Exception
Store = Callable[[Answer], GatewayAttachments]


@pytest.fixture
def asked() -> list[httpx.Request]:
    return []


@pytest.fixture
def key(pki: TestPki) -> SigningKey:
    return pki.system("origin")


@pytest.fixture
def store(key: SigningKey, clock: HandClock, ids: Ids, asked: list[httpx.Request]) -> Store:
    """A store that gives this answer to everything."""

    def answering(answer: Answer) -> GatewayAttachments:
        def handle(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
        return GatewayAttachments(http, key, clock, ids, base_url="http://shep/", source="origin", timeout_s=5)

    return answering


def claims_of(request: httpx.Request, key: SigningKey) -> dict[str, Any]:
    token = request.headers["authorization"].removeprefix("Bearer ")
    return verify_compact(token, lambda _: key.certificate, "egov-access+jwt")


async def test_a_file_is_put_under_its_hash_with_a_short_token_of_the_system(
    store: Store, asked: list[httpx.Request], key: SigningKey
) -> None:
    one = store(httpx.Response(201))
    await one.put(CASE, FACTS, PDF)
    await one.put(CASE, FACTS, PDF)
    request, again = asked
    assert request.method == "PUT" and request.content == PDF
    assert str(request.url) == f"http://shep/v1/attachments/{CLAIM.sha256}?case={CASE}"
    assert request.headers["content-type"] == "application/pdf"
    claims = claims_of(request, key)
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("origin", "gateway-shep", 60)
    assert claims["jti"] != claims_of(again, key)["jti"]


@pytest.mark.parametrize(
    "answer", [*(httpx.Response(status) for status in (401, 408, 429, 500, 503)), httpx.ConnectTimeout("no answer")]
)
async def test_what_may_pass_later_is_unavailable(store: Store, answer: Answer) -> None:
    with pytest.raises(EgovError) as refused:
        await store(answer).put(CASE, FACTS, PDF)
    assert refused.value.code == "attachment.store_unavailable"


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"code": "attachment.case_full"}', "attachment.case_full"), (b"<html>", "413"), (b"[]", "413")],
)
async def test_what_never_will_pass_is_refused_with_the_gateways_code(store: Store, body: bytes, reason: str) -> None:
    with pytest.raises(EgovError) as refused:
        await store(httpx.Response(413, content=body)).put(CASE, FACTS, PDF)
    assert refused.value.code == "attachment.store_refused" and refused.value.params["reason"] == reason


async def test_the_bytes_are_those_that_were_named(store: Store, asked: list[httpx.Request], key: SigningKey) -> None:
    assert await store(httpx.Response(200, content=PDF)).fetch(CLAIM) == PDF
    [request] = asked
    assert str(request.url) == f"http://shep/v1/attachments/{CLAIM.sha256}?case={CASE}"
    assert claims_of(request, key)["iss"] == "origin"


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
async def test_anything_else_says_who_has_to_act(store: Store, answer: Answer, claim: Claim, code: str) -> None:
    with pytest.raises(EgovError) as refused:
        await store(answer).fetch(claim)
    assert refused.value.code == code

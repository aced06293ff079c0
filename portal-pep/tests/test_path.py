"""/health/path: a signed question to ШЭП, a signed answer back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.errors import EgovError
from egovkit.signatures.jws import verify_compact
from portal_pep.clients import GatewayPath

if TYPE_CHECKING:
    from conftest import World

pytestmark = pytest.mark.service
SHEP = "http://shep"


class Door:
    """ШЭП's HTTP door before the fake's member list: what it was asked, and what it answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[httpx.Request] = []
        self.inbox: Callable[[], httpx.Response] = lambda: httpx.Response(200, json={"items": []})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.inbox() if request.url.path == "/v1/inbox" else self.world.shep.http(request)


@pytest.fixture
def door(world: World) -> Door:
    return Door(world)


async def measured(world: World, door: Door) -> dict[str, Any]:
    node = world.app.state.node
    async with httpx.AsyncClient(transport=httpx.MockTransport(door)) as http:
        path = GatewayPath(http, node.key, world.clock, node.ids, base_url=SHEP, source=node.code, trust=node.trust)
        return await path.measure()


async def test_the_question_is_signed_and_the_answer_verified(world: World, door: Door) -> None:
    seen = await measured(world, door)
    assert (seen["hop"], seen["over"], seen["members"]) == ("gateway-shep", "http", 1)
    assert seen["ms"] >= 0 and "status" not in seen
    question, answer = door.asked
    token = question.headers["authorization"].removeprefix("Bearer ")
    claims = verify_compact(token, lambda _: world.app.state.node.key.signing_key().certificate, "egov-access+jwt")
    assert (claims["iss"], claims["aud"]) == ("portal-pep", "gateway-shep")
    assert (answer.url.path, "if-none-match" in answer.headers) == ("/v1/members", False)


async def test_who_is_not_let_in_learns_the_gateways_code(world: World, door: Door) -> None:
    door.inbox = lambda: httpx.Response(401, json={"code": "access.invalid"})
    assert await measured(world, door) == {"status": "broken", "hop": "gateway-shep", "error": "access.invalid"}


async def test_a_list_in_which_the_portal_is_suspended_breaks_the_path(world: World, door: Door) -> None:
    world.shep.suspended.add("portal-pep")
    assert (await measured(world, door))["error"] == "participant.unknown"


async def test_a_list_that_another_system_signed_breaks_the_path(world: World, door: Door) -> None:
    world.shep.keys["gateway-shep"] = world.pki.system("other-gateway")
    with pytest.raises(EgovError) as refused:
        await measured(world, door)
    assert refused.value.code == "participant.list_not_of_gateway"


async def test_the_page_says_broken_with_503_and_keeps_the_answer_a_while(world: World) -> None:
    first = await world.http.get("/health/path")
    assert (first.status_code, first.json()["status"]) == (503, "broken"), "the fake of this suite has no inbox"
    assert first.json()["error"] == "404"
    await world.clock.advance(timedelta(seconds=2))
    again = await world.http.get("/health/path")
    assert again.json()["age_s"] == 2.0

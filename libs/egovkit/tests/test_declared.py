from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from egovkit import declared
from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.declared import Undeclared, bearer, guards, keyed, limited, may_be_keyed, refuses
from egovkit.errors import EgovError
from egovkit.problems import Problems
from egovkit.routes import Routes
from egovkit.service import create_service

pytestmark = pytest.mark.service
TOKEN = bearer("clerk", "opaque", en="A clerk's token.", ru="Токен служащего.", kk="Қызметкердің токені.")


class Guard:
    """A dependency that is an object, as the gateways' operators are let in by."""

    @guards(TOKEN, "access.missing")
    def __call__(self, request: Request) -> None:
        if "authorization" not in request.headers:
            raise EgovError("access.missing")


@pytest.fixture
def app(clock: HandClock) -> FastAPI:
    app = create_service(
        "shop", problems=read_once(Problems.load, contracts_dir()), clock=clock, body_limits=[("/v1/things/[^/]+", 77)]
    )

    routes = Routes()

    @routes.put("/v1/things/{thing}", dependencies=[Depends(Guard())])
    @keyed
    @refuses("case.not_found")
    async def put_thing(thing: str, wish: dict[str, Any]) -> None:
        raise EgovError("case.not_found" if thing == "known" else "case.wrong_state", state=thing)

    @routes.get("/v1/things")
    @limited(page=20)
    @may_be_keyed
    async def list_things() -> None:
        raise RuntimeError

    app.serve(routes)
    return app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        yield http


@pytest.fixture
def heard() -> Iterator[list[Undeclared]]:
    found: list[Undeclared] = []
    declared.on_undeclared.append(found.append)
    yield found
    declared.on_undeclared.remove(found.append)


def codes(call: dict[str, Any]) -> dict[str, list[str]]:
    return {status: answer["x-problem-codes"] for status, answer in call["responses"].items() if status[0] in "45"
            and "x-problem-codes" in answer}  # fmt: skip


def test_a_call_says_what_it_its_dependencies_and_the_kit_refuse_by_status(app: FastAPI) -> None:
    call = app.openapi()["paths"]["/v1/things/{thing}"]["put"]
    assert codes(call) == {
        "400": ["idempotency.key_invalid", "idempotency.key_missing", "request.malformed", "request.malformed_json"],
        "401": ["access.missing"],
        "404": ["case.not_found"],
        "409": ["idempotency.in_progress"],
        "413": ["request.too_large"],
        "415": ["request.media_type"],
        "422": ["idempotency.key_reused", "request.invalid"],
        "500": ["service.internal"],
    }
    assert call["security"] == [{"clerk": []}]
    assert call["x-limits"] == {"body_bytes": 77}


def test_a_call_without_input_says_less_and_is_open(app: FastAPI) -> None:
    call = app.openapi()["paths"]["/v1/things"]["get"]
    assert "422" not in {status for status in codes(call) if "request.invalid" in codes(call)[status]}
    assert call["security"] == [] and call["x-limits"] == {"page": 20}


def test_the_key_is_a_parameter_that_is_required_or_not(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    keys = {
        path: [one["required"] for one in call["parameters"] if one["name"] == "Idempotency-Key"]
        for path, calls in paths.items()
        for call in calls.values()
    }
    assert keys == {"/v1/things/{thing}": [True], "/v1/things": [False]}


@pytest.mark.undeclared
async def test_a_problem_that_leaves_a_call_undeclared_is_told_with_what_to_add_and_where(
    http: httpx.AsyncClient, heard: list[Undeclared]
) -> None:
    answer = await http.put("/v1/things/other", json={}, headers={"authorization": "Bearer x"})
    assert answer.json()["code"] == "case.wrong_state", "the caller still gets it"
    told = str(heard[0])
    assert told.startswith('PUT /v1/things/{thing} answered "case.wrong_state"')
    assert 'add "case.wrong_state" to @refuses(...)' in told and "put_thing" in told and "test_declared.py:" in told


async def test_a_declared_problem_and_one_of_the_kit_are_not_told(
    http: httpx.AsyncClient, heard: list[Undeclared]
) -> None:
    headers = {"authorization": "Bearer x"}
    assert (await http.put("/v1/things/known", json={}, headers=headers)).status_code == 404
    assert (await http.put("/v1/things/known", content=b"{", headers=headers)).status_code in (400, 415)
    assert (await http.put("/v1/things/known", json={})).status_code == 401
    assert (await http.get("/v1/things")).status_code == 500
    assert (await http.get("/v1/nothing")).status_code == 404
    assert (await http.post("/v1/things")).status_code == 405
    assert heard == []


def test_a_code_that_errors_yaml_does_not_know_is_refused_at_once(clock: HandClock) -> None:
    app = create_service("shop", problems=read_once(Problems.load, contracts_dir()), clock=clock)

    routes = Routes()

    @routes.get("/v1/things")
    @refuses("shop.closed")
    async def list_things(_: Annotated[int, Depends(lambda: 1)]) -> None: ...

    app.serve(routes)
    with pytest.raises(ValueError, match=r"list_things declares shop\.closed, which is not in contracts/errors\.yaml"):
        app.openapi()

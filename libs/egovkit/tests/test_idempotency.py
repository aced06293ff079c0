from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import text

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database, KitTables, migrate
from egovkit.declared import keyed, may_be_keyed, refuses
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt, Idempotent, forget_answers
from egovkit.ids import Ids
from egovkit.problems import Problems
from egovkit.service import create_service

pytestmark = pytest.mark.service
KEY = {"idempotency-key": "4f1c6a52-0001"}


class Shop:
    """A service with one unsafe call whose effect is a row."""

    def __init__(self, db: Database, kit: KitTables, clock: HandClock, ids: Ids) -> None:
        self.db, self.kit, self.clock = db, kit, clock
        self.idempotent = Idempotent(db, kit.idempotency, clock, ids)
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None
        self.keeps = True
        self.app = create_service("shop", problems=read_once(Problems.load, contracts_dir()), clock=clock)
        self.app.add_api_route("/v1/things", self.create, methods=["POST"])
        self.app.add_api_route("/v1/others", self.create, methods=["POST"])
        self.app.add_api_route("/v1/optional", self.optional, methods=["POST"])

    @keyed
    @refuses("request.invalid")
    async def create(self, request: Request) -> Response:
        return await self.idempotent.run(request, scope=request.headers.get("caller", "a"), call=self.work)

    @may_be_keyed
    async def optional(self, request: Request) -> Response:
        return await self.idempotent.run(request, scope="a", call=self.work, required=False)

    async def work(self, attempt: Attempt) -> Answer:
        if self.before is not None:
            await self.before()
        async with self.db.begin() as conn:
            row = await conn.execute(text("INSERT INTO things (name) VALUES ('x') RETURNING id"))
            answer = Answer(201, {"id": row.scalar_one(), "name": "Әсем"}, {"location": "/v1/things/1", "etag": '"1"'})
            if self.keeps:
                await attempt.keep(conn, answer)
        if self.after is not None:
            await self.after()
        return answer

    async def effects(self) -> int:
        async with self.db.read() as conn:
            return int((await conn.execute(text("SELECT count(*) FROM things"))).scalar_one())


@pytest.fixture
def shop(db: Database, kit: KitTables, clock: HandClock, ids: Ids) -> Shop:
    return Shop(db, kit, clock, ids)


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")


@pytest.fixture
async def http(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with client(shop.app) as http:
        yield http


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("keeps", [True, False], ids=["kept in the transaction", "stored afterwards"])
async def test_a_repetition_gets_the_first_answer_and_does_nothing(
    shop: Shop, http: httpx.AsyncClient, keeps: bool
) -> None:
    shop.keeps = keeps
    first, second = [await http.post("/v1/things", content=b'{"a":1}', headers=KEY) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.json()["name"] == "Әсем"
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == second.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert await shop.effects() == 1


async def test_the_key_is_required_where_something_is_made(shop: Shop, http: httpx.AsyncClient) -> None:
    assert code(await http.post("/v1/things")) == (400, "idempotency.key_missing")
    assert await shop.effects() == 0


async def test_where_it_is_optional_each_call_without_it_acts(shop: Shop, http: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await http.post("/v1/optional")).status_code == 201
    assert await shop.effects() == 2


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ключ".encode().decode("latin-1")])
async def test_an_unusable_key_is_refused(http: httpx.AsyncClient, key: str) -> None:
    headers = httpx.Headers({"idempotency-key": key}, encoding="latin-1")
    assert code(await http.post("/v1/things", headers=headers)) == (400, "idempotency.key_invalid")


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/things", b'{"a":2}'), ("/v1/things", b""), ("/v1/others", b"1"), ("/v1/things?x=1", b"1")]
)
async def test_the_key_of_another_request_is_refused(
    shop: Shop, http: httpx.AsyncClient, path: str, body: bytes
) -> None:
    await http.post("/v1/things", content=b"1", headers=KEY)
    assert code(await http.post(path, content=body, headers=KEY)) == (422, "idempotency.key_reused")
    assert await shop.effects() == 1


async def test_two_callers_with_one_key_do_not_meet(shop: Shop, http: httpx.AsyncClient) -> None:
    answers = [await http.post("/v1/things", headers={**KEY, "caller": caller}) for caller in ("a", "b")]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert await shop.effects() == 2


async def test_a_repetition_while_the_first_still_runs_is_told_to_wait(shop: Shop, http: httpx.AsyncClient) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        running.set()
        await go_on.wait()

    shop.before = wait
    first = asyncio.create_task(http.post("/v1/things", headers=KEY))
    await running.wait()
    assert code(await http.post("/v1/things", headers=KEY)) == (409, "idempotency.in_progress")
    go_on.set()
    assert (await first).status_code == 201
    assert (await http.post("/v1/things", headers=KEY)).headers["idempotency-replayed"] == "true"
    assert await shop.effects() == 1


async def test_many_at_once_act_once(shop: Shop, http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.post("/v1/things", headers=KEY) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await shop.effects() == 1


async def test_a_call_that_was_refused_may_be_corrected_under_the_same_key(shop: Shop, http: httpx.AsyncClient) -> None:
    async def refuse() -> None:
        raise EgovError("request.invalid")

    shop.before = refuse
    assert (await http.post("/v1/things", content=b"wrong", headers=KEY)).status_code == 422
    shop.before = None
    assert (await http.post("/v1/things", content=b"right", headers=KEY)).status_code == 201


async def test_an_answer_kept_with_the_effect_survives_a_crash_right_after_it(
    shop: Shop, http: httpx.AsyncClient
) -> None:
    async def crash() -> None:
        raise RuntimeError("power cut")

    shop.after = crash
    assert (await http.post("/v1/things", headers=KEY)).status_code == 500
    shop.after = None
    again = await http.post("/v1/things", headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert await shop.effects() == 1


async def test_the_key_of_a_killed_process_is_free_after_a_while_and_its_ghost_cannot_act(
    shop: Shop, http: httpx.AsyncClient
) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        running.set()
        await go_on.wait()

    shop.before = hang
    ghost = asyncio.create_task(http.post("/v1/things", headers=KEY))
    await running.wait()
    shop.before = None
    await shop.clock.advance(59)
    assert code(await http.post("/v1/things", headers=KEY)) == (409, "idempotency.in_progress")
    await shop.clock.advance(2)
    assert (await http.post("/v1/things", headers=KEY)).status_code == 201
    go_on.set()
    assert code(await ghost) == (409, "idempotency.in_progress")
    assert await shop.effects() == 1, "the ghost's transaction was rolled back"
    assert (await http.post("/v1/things", headers=KEY)).headers["idempotency-replayed"] == "true"


async def test_keys_may_be_forgotten_after_their_time(shop: Shop, http: httpx.AsyncClient, kit: KitTables) -> None:
    await http.post("/v1/things", headers=KEY)
    await shop.clock.advance(100)
    async with shop.db.begin() as conn:
        assert await forget_answers(conn, kit.idempotency, shop.clock.now()) == 1
    assert (await http.post("/v1/things", headers=KEY)).status_code == 201
    assert await shop.effects() == 2


async def test_an_empty_answer_has_no_body_and_no_type(shop: Shop, http: httpx.AsyncClient) -> None:
    async def nothing(attempt: Attempt) -> Answer:
        return Answer(204)

    shop.work = nothing  # type: ignore[method-assign]
    for _ in range(2):
        answer = await http.post("/v1/things", headers=KEY)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-type" not in answer.headers


async def test_the_table_never_holds_a_running_row_after_a_refusal(shop: Shop, http: httpx.AsyncClient) -> None:
    async def refuse() -> None:
        raise EgovError("request.invalid")

    shop.before = refuse
    await http.post("/v1/things", headers=KEY)
    with sqlite3.connect(str(shop.db.path)) as raw:
        assert raw.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)
    raw.close()


@pytest.mark.connected
async def test_replicas_on_postgresql_share_their_keys(
    postgres_url: str, service_package: str, kit: KitTables, clock: HandClock, ids: Ids
) -> None:
    await asyncio.to_thread(migrate, postgres_url, service_package)
    replicas = [Shop(Database(postgres_url), kit, clock, ids) for _ in range(2)]
    clients = [client(shop.app) for shop in replicas]
    try:
        answers = await asyncio.gather(*(clients[n % 2].post("/v1/things", headers=KEY) for n in range(8)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert await replicas[0].effects() == 1
        assert (await clients[1].post("/v1/things", headers=KEY)).status_code == 201
    finally:
        for http, shop in zip(clients, replicas, strict=True):
            await http.aclose()
            await shop.db.close()

"""The request log of a sandbox: what is recorded, what is covered, what is found again, and what goes."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from egovkit.bus import Dead, Delivery, Outcome, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.contracts import contracts_dir, read_once
from egovkit.declared import refuses
from egovkit.envelope import MAX_ENVELOPE
from egovkit.errors import EgovError
from egovkit.problems import Problems
from egovkit.sandbox.clock import Control, sandbox_clock, sandbox_control
from egovkit.sandbox.door import sandbox_router
from egovkit.sandbox.exchange_store import ExchangeStore, Row, Wish
from egovkit.sandbox.exchanges import PATH
from egovkit.sandbox.masking import masked_body, masked_headers, masked_query
from egovkit.sandbox.taps import tap_client, tap_service
from egovkit.service import create_service
from egovkit.settings import ServiceSettings

QUEUE = "inbox.portal-pep"
CASE = "019bc000-0000-7000-8000-000000000001"
ID = "019bc000-0000-7000-8000-0000000000aa"


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    (tmp_path / "token").write_text("sesame\n")
    return ServiceSettings(home=tmp_path, sandbox=True, sandbox_token_file=tmp_path / "token")


@pytest.fixture
def control(settings: ServiceSettings) -> Control:
    found = sandbox_control(settings, sandbox_clock(settings))
    assert found is not None
    return found


class Wanted(BaseModel):
    rooms: int


def service(control: Control) -> FastAPI:
    app = create_service("twin", problems=read_once(Problems.load, contracts_dir()), clock=control.clock)
    app.serve(sandbox_router(control))
    tap_service(app, control)

    @app.post("/v1/login")
    async def login(request: Request) -> Response:
        await request.body()
        return Response('{"token": "gold"}', media_type="application/json", headers={"set-cookie": "session=gold"})

    @app.post("/v1/cases/{case}/rooms")
    @refuses("time.late")
    async def rooms(case: str, wanted: Wanted) -> dict[str, Any]:
        if wanted.rooms == 13:
            raise RuntimeError("unlucky")
        if wanted.rooms > 3:
            control.exchanges.note("a fault on purpose")
            raise EgovError("time.late", clause="п. 9", used_s=61, limit_s=60)
        return {"answer": "ТРИ КОМНАТЫ", "case": case}

    @app.post("/v1/files")
    async def files(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    return app


@pytest_asyncio.fixture
async def tester(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sesame"}
    transport = httpx.ASGITransport(service(control), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://twin", headers=headers) as client:
        yield client


async def found(tester: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await tester.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def body(side: dict[str, Any]) -> bytes:
    return base64.b64decode(side["body"])


async def test_a_call_is_recorded_with_both_bodies_and_without_its_secrets(tester: httpx.AsyncClient) -> None:
    await tester.post("/v1/login?token=gold", json={"login": "aigul", "password": 'g"old', "n": 1})
    [one] = await found(tester, full=True)
    assert (one["service"], one["medium"], one["direction"]) == ("service", "http", "in")
    assert (one["method"], one["path"], one["query"], one["status"]) == ("POST", "/v1/login", "token=***", 200)
    assert json.loads(body(one["request"])) == {"login": "aigul", "password": "***", "n": 1}
    assert json.loads(body(one["response"])) == {"token": "***"}
    assert one["request"]["headers"]["authorization"] == "Bearer ***"
    assert one["response"]["headers"]["set-cookie"] == "***"
    assert (one["refused"], one["reason"]) == (False, None)
    assert "gold" not in json.dumps(one)
    assert (await tester.get(f"{PATH}/{one['id']}")).json() == one


async def test_a_refused_call_says_why_and_what_befell_it(tester: httpx.AsyncClient) -> None:
    await tester.post(f"/v1/cases/{CASE}/rooms", json={"rooms": 4}, headers={"Accept-Language": "kk"})
    [one] = await found(tester, refused=True, full=True, code="time.late")
    assert (one["code"], one["clause"], one["notes"]) == ("time.late", "п. 9", ["a fault on purpose"])
    reason = one["reason"]
    spec = read_once(Problems.load, contracts_dir())["time.late"]
    assert (reason["side"], reason["clause"]) == (spec.side, "п. 9")
    assert reason["params"]["limit_s"] == 60
    assert "60" in reason["why"] and "{" not in reason["why"] and reason["why"].isascii()


async def test_what_a_handler_falls_over_is_recorded_as_the_caller_saw_it(tester: httpx.AsyncClient) -> None:
    await tester.post(f"/v1/cases/{CASE}/rooms", json={"rooms": 13})
    [one] = await found(tester)
    assert (one["status"], one["code"], one["side"]) == (500, "service.internal", "platform")


async def test_a_case_is_found_by_address_body_and_answer_and_any_text_in_any_letters(
    tester: httpx.AsyncClient,
) -> None:
    await tester.post(f"/v1/cases/{CASE}/rooms", json={"rooms": 1})
    await tester.post("/v1/files", content=f"about {CASE}".encode())
    await tester.post("/v1/files", content=b"about nothing")
    assert [one["path"] for one in await found(tester, case=CASE)] == ["/v1/files", f"/v1/cases/{CASE}/rooms"]
    assert [one["path"] for one in await found(tester, text="три комнаты")] == [f"/v1/cases/{CASE}/rooms"]
    assert await found(tester, medium="bus") == []
    [last] = await found(tester, limit=1)
    assert await found(tester, since=last["at"]) == [last]
    assert len(await found(tester, until=last["at"])) == 2


async def test_pages_go_back_from_the_newest_or_on_from_the_oldest(tester: httpx.AsyncClient) -> None:
    for n in range(5):
        await tester.post("/v1/files", content=b"x" * n)
    for order in ("newest", "oldest"):
        seen, cursor = [], None
        while True:
            query = {"limit": 2, "order": order, "full": True} | ({"cursor": cursor} if cursor else {})
            page = (await tester.get(PATH, params=query)).json()
            seen += [one["request"]["size"] for one in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert seen == (list(range(5)) if order == "oldest" else list(range(4, -1, -1)))


async def test_only_the_holder_of_the_token_reads_or_empties_it(tester: httpx.AsyncClient) -> None:
    await tester.post("/v1/files", content=b"x")
    stranger = {"Authorization": "Bearer guess"}
    for method, path in (("GET", PATH), ("GET", f"{PATH}/{ID}"), ("DELETE", PATH)):
        assert (await tester.request(method, path, headers=stranger)).status_code == 401
    assert (await tester.get(f"{PATH}/{ID}")).json()["code"] == "exchange.unknown"
    assert (await tester.get(PATH, params={"colour": "red"})).status_code == 422
    assert (await tester.delete(PATH)).json() == {"deleted": 1}
    assert await found(tester) == []


async def test_a_body_beyond_an_envelopes_size_is_cut_and_says_so(tester: httpx.AsyncClient) -> None:
    sent = b"x" * (MAX_ENVELOPE + 5)
    assert (await tester.post("/v1/files", content=sent)).json() == {"size": len(sent)}
    [one] = await found(tester, full=True)
    assert one["request"]["cut"] and one["request"]["size"] == len(sent)
    assert len(body(one["request"])) == MAX_ENVELOPE


# --- the bus


def envelope(type_: str, data: dict[str, Any]) -> bytes:
    facts = {"id": ID, "source": "gateway-shep", "recipient": "portal-pep", "subject": CASE, "step": "SP2"}
    return json.dumps({**facts, "type": type_, "caseseq": 3, "data": data}).encode()


async def test_a_message_is_recorded_byte_by_byte_when_it_leaves_and_when_it_comes(
    control: Control, memory_bus: MemoryBus, tester: httpx.AsyncClient
) -> None:
    bus = control.take_bus(memory_bus)

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return [Dead("signature.invalid")]

    subscription = await bus.consume(QUEUE, take)
    problem = {"code": "order.step_not_allowed", "side": "sender", "clause": "п. 5", "detail_en": "Not now."}
    raw = envelope("kz.egov.envelope.refused.v1", {"id": ID, "problem": {**problem, "remedy_en": "Wait."}})
    control.exchanges.note("delayed on purpose", message_id=ID)
    answers = await bus.publish(
        [Outgoing(QUEUE, raw, {"egov-signature": "s"}, ID), Outgoing("nowhere", b"<x/>", {}, "odd")]
    )
    assert answers[0] is None and answers[1] is not None
    await subscription.cancel()
    came, left = await found(tester, medium="bus", message=ID, full=True)
    assert (left["event"], left["outcome"], left["direction"]) == ("published", "confirmed", "out")
    assert (came["event"], came["outcome"], came["detail"]) == ("delivered", "dead", "signature.invalid")
    assert came["notes"] + left["notes"] == ["delayed on purpose"]
    for one in (came, left):
        assert body(one["request"]) == raw and one["request"]["headers"]["egov-signature"] == "s"
        assert (one["envelope"]["subject"], one["envelope"]["caseseq"]) == (CASE, 3)
        assert (one["code"], one["clause"], one["reason"]["why"]) == ("order.step_not_allowed", "п. 5", "Not now.")
    [odd] = await found(tester, message="odd")
    assert (odd["outcome"], odd["envelope"], odd["refused"]) == ("unroutable", None, True)


async def test_a_delivery_that_its_handler_falls_over_is_recorded_as_failed(
    control: Control, memory_bus: MemoryBus, tester: httpx.AsyncClient
) -> None:
    bus = control.take_bus(memory_bus)

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        if deliveries[0].attempt == 1:
            raise RuntimeError("poison")
        return [Verdict.ACK]

    subscription = await bus.consume(QUEUE, take)
    await bus.publish([Outgoing(QUEUE, b"{}", {}, ID)])
    await subscription.cancel()
    outcomes = [one["outcome"] for one in await found(tester, direction="in", order="oldest", medium="bus")]
    assert outcomes[0] == "failed" and outcomes[-1] == "ack"


async def test_what_a_service_asks_others_is_recorded_until_it_is_let_go(
    control: Control, tester: httpx.AsyncClient
) -> None:
    answers = httpx.MockTransport(lambda request: httpx.Response(200, json={"list": [1]}))
    async with httpx.AsyncClient(transport=answers) as client:
        untap = tap_client(client, control)
        asked = await client.get("http://shep.test/v1/participants?after=1", headers={"authorization": "Bearer x"})
        untap()
        await client.get("http://shep.test/later")
    assert asked.json() == {"list": [1]}
    [one] = await found(tester, direction="out", full=True)
    assert (one["url"], one["path"], one["status"]) == ("http://shep.test", "/v1/participants", 200)
    assert one["request"]["headers"]["authorization"] == "Bearer ***"
    assert json.loads(body(one["response"])) == {"list": [1]}


async def test_a_call_that_nobody_answered_is_put_down_as_that(control: Control, tester: httpx.AsyncClient) -> None:
    async def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(nobody)) as client:
        tap_client(client, control)
        with pytest.raises(httpx.ConnectError):
            await client.post("http://shep.test/v1/envelopes", json={"rooms": 1})
    [one] = await found(tester, direction="out", full=True)
    assert (one["url"], one["path"], one["status"]) == ("http://shep.test", "/v1/envelopes", None)
    assert (one["outcome"], one["detail"]) == ("unanswered", "ConnectError refused")
    assert json.loads(body(one["request"])) == {"rooms": 1}


async def test_a_note_that_belongs_to_nothing_is_a_record_of_its_own(
    control: Control, tester: httpx.AsyncClient
) -> None:
    control.exchanges.note("the broker was restarted")
    [one] = await found(tester, medium="note")
    assert one["notes"] == ["the broker was restarted"]


# --- not there


async def test_outside_a_sandbox_or_with_no_room_for_it_nothing_is_recorded(tmp_path: Path) -> None:
    plain = ServiceSettings(home=tmp_path)
    assert sandbox_control(plain, sandbox_clock(plain)) is None
    off = ServiceSettings(home=tmp_path, sandbox=True, sandbox_log_mb=0)
    control = sandbox_control(off, sandbox_clock(off))
    assert control is not None
    transport = httpx.ASGITransport(service(control))
    async with httpx.AsyncClient(transport=transport, base_url="http://twin") as client:
        await client.post("/v1/files", content=b"x")
    control.exchanges.note("said to nobody")
    await control.exchanges.flush()
    assert not control.exchanges.store.path.exists()


async def test_a_home_that_cannot_be_written_stops_no_service(control: Control, tester: httpx.AsyncClient) -> None:
    control.exchanges.store.path.mkdir()
    assert (await tester.post("/v1/files", content=b"x")).status_code == 200
    await control.exchanges.flush()


# --- the store and the covers


def row(n: int, size: int = 0) -> Row:
    at = (datetime(2026, 1, 15, tzinfo=UTC) + timedelta(seconds=n)).isoformat()
    return Row(f"{n:04}", {"at": at, "medium": "http", "direction": "in"}, b"x" * size)


def test_the_oldest_go_when_there_are_too_many_or_they_are_too_large(tmp_path: Path) -> None:
    store = ExchangeStore(tmp_path / "a.sqlite3", most_rows=20, most_bytes=10_000)
    store.add([row(n) for n in range(25)])
    kept = [one.id for one in store.find(Wish(limit=100))]
    assert kept == [f"{n:04}" for n in range(24, 6, -1)]
    store.add([row(30, 6000), row(31, 6000)])
    assert [one.id for one in store.find(Wish(limit=100))] == ["0031"]
    store.add([row(32, 20_000)])
    assert store.find(Wish()) == [], "one that alone is too much is not kept"


def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE exchanges (old TEXT)")
    db.close()
    store = ExchangeStore(path, 10, 10_000)
    store.add([row(1)])
    assert [one.id for one in store.find(Wish())] == ["0001"]


def test_who_first_writes_and_who_first_reads_do_not_both_make_the_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for n in range(40):
            store, together = ExchangeStore(tmp_path / f"{n}.sqlite3", 20, 10_000), Barrier(8)
            list(pool.map(partial(_add_together, store, together), range(8)))
            assert len(store.find(Wish())) == 8


def _add_together(store: ExchangeStore, together: Barrier, n: int) -> None:
    together.wait()
    store.add([row(n)])


@pytest.mark.parametrize(
    ("media_type", "before", "after"),
    [
        ("application/json", rb'{"password" : "a\"b", "x": "password"}', rb'{"password" : "***", "x": "password"}'),
        ("application/json", b'{"a": {"access_token": "t"', b'{"a": {"access_token": "***"'),
        ("application/json", b'{"new_password": "cut off he', b'{"new_password": "***'),
        ("application/json", b'{"pkcs12": "MII"}', b'{"pkcs12": "***"}'),
        ("application/x-www-form-urlencoded", b"login=a&password=b&c=d", b"login=a&password=***&c=d"),
        ("application/x-pkcs12", b"\x30\x82", b"***"),
        ("application/cloudevents+json", b'{"data": {"token": "t"}}', b'{"data": {"token": "t"}}'),
        (
            "text/plain",
            b"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----",
            b"-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----",
        ),
    ],
)
def test_secrets_of_a_body_are_covered_and_the_rest_stays(media_type: str, before: bytes, after: bytes) -> None:
    assert masked_body(before, media_type) == after


def test_secrets_of_headers_and_query_are_covered() -> None:
    headers = [("Authorization", "Bearer x"), ("Cookie", "a"), ("X-Admin-Token", "t"), ("Accept", "a"), ("accept", "b")]
    covered = {"authorization": "Bearer ***", "cookie": "***", "x-admin-token": "***", "accept": "a, b"}
    assert masked_headers(headers) == covered
    assert masked_query("token=t&limit=5") == "token=***&limit=5"


# --- in the background


async def written(control: Control, count: int) -> None:
    """Until the background has put so many into the file; nobody asks for it to be flushed."""
    async with asyncio.timeout(10):
        while len(await asyncio.to_thread(control.exchanges.store.find, Wish(limit=1000))) < count:
            pass


async def test_a_large_batch_is_written_at_once_and_what_comes_meanwhile_after_it(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egovkit.sandbox.exchanges.WRITE_AT", 1000)
    for _ in range(20):
        control.exchanges.note("x")
    await written(control, 20)


async def test_a_small_batch_is_written_in_a_moment(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egovkit.sandbox.exchanges.WRITE_AFTER", 0.001)
    control.exchanges.note("x")
    await written(control, 1)
    control.exchanges.note("y")
    await written(control, 2)


async def test_what_the_disk_does_not_take_in_time_is_dropped(
    control: Control, tester: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egovkit.sandbox.exchanges.MOST_WAITING", 4000)
    for n in range(10):
        control.exchanges.note(str(n))
    assert len(await found(tester)) < 9

"""Dead letters: kept once, shown, put back into the queue they died in or discarded, each decision recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from egovgateway.domain import REDRIVEN_TO
from egovkit.bus import (
    DEAD_QUEUE,
    DEAD_REASON,
    Dead,
    Delivery,
    Outcome,
    Outgoing,
    PublishError,
    PublishFailure,
    Topology,
    Verdict,
)
from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir
from egovkit.journal import read_rows
from egovkit.testing.journal import BODIES
from gateway_shep import tables
from gateway_shep.letters import IN_FLIGHT, REDRIVEN_LETTER, ways_back

from .conftest import CODES, Shep
from .test_judge import submitted

pytestmark = pytest.mark.service
PATH = "/v1/dead-letters"
INBOX = "inbox.portal-pep"
NOTE = {"note": "потребитель исправлен"}
keys = count(1)


@pytest.fixture
async def bus(shep: Shep) -> AsyncIterator[Shep]:
    for code in CODES[1:]:
        await shep.enrol(code)
    yield shep


def died(body: bytes = b"poison", queue: str = INBOX, reason: str = "data.invalid", **headers: str) -> Delivery:
    """A dead letter as the bus hands it over."""
    return Delivery("dead-letters", body, {**headers, DEAD_REASON: reason, DEAD_QUEUE: queue}, "id-1", 1)


async def store(shep: Shep, *deliveries: Delivery) -> list[dict[str, Any]]:
    """Take them in; the newest first."""
    letters = shep.app.state.running.letters
    assert await letters.take(deliveries) == [Verdict.ACK] * len(deliveries)
    return await listed(shep)


async def listed(shep: Shep, **wanted: Any) -> list[dict[str, Any]]:
    answer = await shep.http.get(PATH, params=wanted, headers=shep.admin)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def shown(shep: Shep, letter: str) -> dict[str, Any]:
    return dict((await shep.http.get(f"{PATH}/{letter}", headers=shep.admin)).json())


def by(shep: Shep, operator: str = "aigul", key: str | None = None) -> dict[str, str]:
    return {**shep.admin, "egov-operator": operator, "idempotency-key": key or f"key-{next(keys)}"}


async def decide(shep: Shep, letter: str, what: str, **changes: Any) -> httpx.Response:
    return await shep.http.post(f"{PATH}/{letter}/{what}", **{"json": NOTE, "headers": by(shep), **changes})


async def put_back(shep: Shep) -> None:
    letters = shep.app.state.running.letters
    await letters.put_back()
    await letters.idle()


async def recorded(shep: Shep) -> list[tuple[str | None, dict[str, Any]]]:
    """Case and body of the journal's rows about dead letters."""
    parts = shep.app.state.running.door.gateway.parts
    async with parts.db.read() as conn:
        found = await read_rows(conn, parts.journal.tables, bodies=BODIES)
        bodies = [(row.case_id, row.facts) for row in found if row.kind == "admin"]
    return [(case, body) for case, body in bodies if body["action"].startswith("deadletter.")]


async def until_there(shep: Shep, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while len(found := await listed(shep)) < number:
            await SystemClock().sleep(0.01)
    return found


@pytest.mark.parametrize(
    ("verdict", "reason", "deliveries"),
    [(Dead("data.invalid"), "data.invalid", 1), (Verdict.RETRY, "delivery_limit", 21)],
)
async def test_what_a_consumer_gave_up_is_kept_with_where_why_and_how_often(
    bus: Shep, verdict: Outcome, reason: str, deliveries: int
) -> None:
    async def poisoned(batch: Sequence[Delivery]) -> list[Outcome]:
        return [verdict for _ in batch]

    await bus.bus.consume("inbox.provider-arm", poisoned)
    envelope = submitted(bus, bus.ids.new())
    wire = bus.sign(envelope)
    await bus.bus.publish([Outgoing("inbox.provider-arm", wire.raw, wire.headers(), envelope.id)])
    [letter] = await until_there(bus, 1)
    expected = {
        "queue": "inbox.provider-arm",
        "reason": reason,
        "deliveries": deliveries,
        "message_id": envelope.id,
        "size": len(wire.raw),
        "sha256": wire.sha256,
        "envelope_id": envelope.id,
        "type": envelope.type,
        "source": "portal-pep",
        "case_id": envelope.subject,
        "regulation": "atyrau-housing-queue",
        "first_id": None,
        "generation": 1,
        "state": "waiting",
        "decided_at": None,
        "put_back_at": None,
    }
    assert {name: letter[name] for name in expected} == expected
    assert letter["received_at"].startswith("2026-01-15T04:00:00")
    assert (await shown(bus, letter["id"]))["headers"] == wire.headers()


async def test_the_limit_says_how_often_it_was_delivered_when_the_broker_does_not(shep: Shep) -> None:
    [letter] = await store(shep, died(reason="delivery_limit"))
    assert letter["deliveries"] == 21
    [other, _] = await store(shep, died(b"2"))
    assert other["deliveries"] is None


async def test_a_letter_is_kept_once_however_often_it_comes(shep: Shep) -> None:
    [first] = await store(shep, died(), died())
    await decide(shep, first["id"], "discard")
    [still] = await store(shep, died())
    assert (still["id"], still["state"]) == (first["id"], "discarded")
    others = (died(b"other"), died(queue="inbox.con-arm"), died(traceparent="00-1"))
    assert len(await store(shep, *others)) == 4


@pytest.mark.parametrize(
    "letter",
    [
        Delivery("dead-letters", b"", {}, "", 1),
        Delivery(
            "dead-letters",
            b"\x00\xff" * 1000,
            {DEAD_QUEUE: "Очередь\x00", DEAD_REASON: "\x00\x1b[31m" * 999},
            "\x00" * 9,
            3,
        ),
        Delivery("dead-letters", b'{"id":1}', {"x": "я" * 20_000, "x-egov-dead-deliveries": "²"}, "1' OR 1=1", 1),
        Delivery("dead-letters", b"x" * 3_000_000, {REDRIVEN_LETTER: "\x00"}, "large", 1),
    ],
)
async def test_whatever_lies_among_the_dead_letters_is_kept(shep: Shep, letter: Delivery) -> None:
    [found] = await store(shep, letter)
    assert found["envelope_id"] is None and found["generation"] == 1
    assert all(one.isprintable() for one in found["reason"] + found["message_id"])
    read = await shep.http.get(f"{PATH}/{found['id']}/body", headers=by(shep))
    assert read.content == letter.body
    refused = await decide(shep, found["id"], "redrive")
    assert (refused.status_code, refused.json()["code"]) == (409, "deadletter.queue_unknown")


async def test_bodies_and_headers_lie_sealed_in_the_database(shep: Shep) -> None:
    await store(shep, died("Иванов".encode(), **{"egov-signature": "a-signature"}))
    async with shep.app.state.node.db.read() as conn:
        row = (await conn.execute(select(tables.dead_letters))).one()
    assert "Иванов".encode() not in row.body and b"a-signature" not in row.headers


async def test_the_list_is_filtered_and_read_page_by_page_newest_first(bus: Shep) -> None:
    envelope = submitted(bus, bus.ids.new())
    await store(bus, *(died(b"%d" % n) for n in range(4)), died(envelope.encode(), "inbox.con-arm", "case.not_found"))
    everything = await listed(bus)
    assert [one["id"] for one in everything] == sorted((one["id"] for one in everything), reverse=True)
    await decide(bus, everything[1]["id"], "discard")
    for wanted, number in (
        ({"state": "waiting"}, 4),
        ({"state": "discarded"}, 1),
        ({"queue": INBOX}, 4),
        ({"reason": "case.not_found"}, 1),
        ({"case": envelope.subject}, 1),
        ({"queue": INBOX, "reason": "case.not_found"}, 0),
    ):
        assert len(await listed(bus, **wanted)) == number, wanted
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await bus.http.get(PATH, params={"limit": 2, **cursor}, headers=bus.admin)).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [one["id"] for one in everything]


async def test_reading_a_body_is_recorded_and_asking_for_the_letter_is_not(bus: Shep) -> None:
    envelope = submitted(bus, bus.ids.new())
    [letter] = await store(bus, died(envelope.encode()))
    assert "body" not in await shown(bus, letter["id"])
    assert await recorded(bus) == []
    read = await bus.http.get(f"{PATH}/{letter['id']}/body", headers=by(bus, "serik"))
    assert read.content == envelope.encode()
    assert (read.headers["cache-control"], read.headers["content-type"]) == ("no-store", "application/octet-stream")
    [(case, row)] = await recorded(bus)
    assert case == envelope.subject
    assert row == {
        "action": "deadletter.body_read",
        "letter": letter["id"],
        "envelope": envelope.id,
        "queue": INBOX,
        "operator": "serik",
        "note": "",
    }


async def test_a_re_driven_letter_is_the_same_message_in_the_queue_it_died_in(bus: Shep) -> None:
    envelope = submitted(bus, bus.ids.new())
    wire = bus.sign(envelope)
    [letter] = await store(bus, died(wire.raw, **wire.headers()))
    answer = await decide(bus, letter["id"], "redrive")
    assert (answer.status_code, answer.json()["state"], answer.json()["put_back_at"]) == (200, "redriven", None)
    bus.arrived.clear()
    await put_back(bus)
    [delivery] = bus.arrived[INBOX]
    assert (delivery.body, delivery.message_id) == (wire.raw, "id-1")
    assert delivery.headers == {**wire.headers(), REDRIVEN_LETTER: letter["id"]}
    after = await shown(bus, letter["id"])
    assert after["put_back_at"] is not None and after["last_error"] is None
    assert (after["decided_by"], after["note"]) == ("aigul", NOTE["note"])
    [(case, row)] = await recorded(bus)
    assert case == envelope.subject and row["action"] == "deadletter.redriven"
    assert (row["letter"], row["envelope"], row["operator"]) == (letter["id"], envelope.id, "aigul")
    await put_back(bus)
    assert len(bus.arrived[INBOX]) == 1


async def test_what_died_in_sheps_own_queue_is_judged_when_it_comes_back(bus: Shep) -> None:
    envelope = submitted(bus, bus.ids.new())
    wire = bus.sign(envelope)
    [letter] = await store(bus, died(wire.raw, "shep.ingress", "delivery_limit", **wire.headers()))
    await decide(bus, letter["id"], "redrive")
    await put_back(bus)
    await bus.app.state.running.door.gateway.parts.publisher.idle()
    assert [one.id for one in bus.inbox("rshep.trunk") if one.subject == envelope.subject] == [envelope.id]


async def test_a_letter_that_dies_again_is_a_new_one_that_names_the_first(shep: Shep) -> None:
    [first] = await store(shep, died())
    again = died(**{REDRIVEN_LETTER: first["id"]})
    [second, _] = await store(shep, again, again)
    assert (second["first_id"], second["generation"]) == (first["id"], 2)
    third = (await store(shep, died(**{REDRIVEN_LETTER: second["id"]})))[0]
    assert (third["first_id"], third["generation"]) == (first["id"], 3)


async def test_nobody_makes_his_message_a_child_of_anothers(shep: Shep) -> None:
    [first] = await store(shep, died())
    foreign = (await store(shep, died(b"other", **{REDRIVEN_LETTER: first["id"]})))[0]
    elsewhere = (await store(shep, died(queue="inbox.con-arm", **{REDRIVEN_LETTER: first["id"]})))[0]
    assert [(one["first_id"], one["generation"]) for one in (foreign, elsewhere)] == [(None, 1), (None, 1)]


async def test_a_discarded_letter_stays_to_be_read_and_is_never_put_back(shep: Shep) -> None:
    [letter] = await store(shep, died())
    assert (await decide(shep, letter["id"], "discard")).json()["state"] == "discarded"
    shep.arrived.clear()
    await put_back(shep)
    assert shep.arrived == {}
    [(_, row)] = await recorded(shep)
    assert (row["action"], row["note"]) == ("deadletter.discarded", NOTE["note"])
    assert (await shep.http.get(f"{PATH}/{letter['id']}/body", headers=by(shep))).content == b"poison"


@pytest.mark.parametrize("first", ["redrive", "discard"])
@pytest.mark.parametrize("second", ["redrive", "discard"])
async def test_a_letter_is_decided_once(shep: Shep, first: str, second: str) -> None:
    [letter] = await store(shep, died())
    await decide(shep, letter["id"], first)
    refused = await decide(shep, letter["id"], second)
    assert (refused.status_code, refused.json()["code"]) == (409, "deadletter.decided")
    assert len(await recorded(shep)) == 1


async def test_a_repeated_call_decides_nothing_twice_and_gets_the_first_answer(shep: Shep) -> None:
    [letter] = await store(shep, died())
    headers = by(shep)
    first = await decide(shep, letter["id"], "redrive", headers=headers)
    again = await decide(shep, letter["id"], "redrive", headers=headers)
    assert again.content == first.content and again.headers["idempotency-replayed"] == "true"
    assert len(await recorded(shep)) == 1
    del headers["idempotency-key"]
    without = await decide(shep, letter["id"], "discard", headers=headers)
    assert without.json()["code"] == "idempotency.key_missing"


@pytest.mark.parametrize("queue", ["inbox.provider-arm", "rshep.atyrau.ingress"])
async def test_what_died_in_a_queue_of_the_regions_goes_back_by_way_of_the_regional_gateway(
    shep: Shep, queue: str
) -> None:
    [letter] = await store(shep, died(queue=queue, n="1"))
    await decide(shep, letter["id"], "redrive")
    await put_back(shep)
    [delivery] = shep.arrived["rshep.redrive"]
    assert (delivery.body, delivery.message_id) == (b"poison", "id-1")
    assert delivery.headers == {"n": "1", REDRIVEN_LETTER: letter["id"], REDRIVEN_TO: queue}
    again = died(queue=queue, n="1", **{REDRIVEN_LETTER: letter["id"]})
    [second, _] = await store(shep, again)
    assert (second["first_id"], second["generation"]) == (letter["id"], 2)


def test_every_queue_of_the_bus_has_a_way_back_from_shep() -> None:
    topology = Topology.load(contracts_dir())
    ways = ways_back(topology, "gateway-shep")
    assert set(ways) == {spec.name for spec in topology.queues}
    assert {name for name, way in ways.items() if way != name} == {
        "inbox.provider-arm",
        "inbox.registers-mock",
        *(name for name in ways if name.startswith("rshep.") and name.endswith(".ingress")),
    }
    assert set(ways.values()) <= set(topology.written_by("gateway-shep"))


async def test_what_died_where_no_gateway_may_write_is_for_its_own_writer_to_send_again(
    shep: Shep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(shep.app.state.running.letters._ways, "rshep.atyrau.ingress")
    [letter] = await store(shep, died(queue="rshep.atyrau.ingress"))
    refused = await decide(shep, letter["id"], "redrive")
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["side"]) == (409, "deadletter.queue_of_others", "platform")
    assert problem["writers"] == "provider-arm, registers-mock" and "provider-arm" in problem["remedy"]
    assert [one["state"] for one in await listed(shep)] == ["waiting"] and await recorded(shep) == []
    assert (await redrive_many(shep, queue="rshep.atyrau.ingress")).json()["code"] == "deadletter.queue_of_others"
    assert (await redrive_many(shep)).json() == {"redriven": []}
    assert (await decide(shep, letter["id"], "discard")).status_code == 200


async def test_unknown_letters_are_problems(shep: Shep) -> None:
    nobody = shep.ids.new()
    for answer in (
        await shep.http.get(f"{PATH}/{nobody}", headers=shep.admin),
        await shep.http.get(f"{PATH}/{nobody}/body", headers=by(shep)),
        await decide(shep, nobody, "redrive"),
        await decide(shep, nobody, "discard"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "deadletter.unknown")
    assert await recorded(shep) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "note"),
        ({"note": ""}, "note"),
        ({"note": "я" * 501}, "note"),
        ({"note": "a\x1bb"}, "note"),
        ({"note": 7}, "note"),
        ({"note": "x", "queue": INBOX}, "queue"),
    ],
)
async def test_a_decision_without_proper_words_is_refused(shep: Shep, body: dict[str, Any], field: str) -> None:
    [letter] = await store(shep, died())
    answer = await decide(shep, letter["id"], "discard", json=body)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize("operator", [None, "", " ", "a" * 81, "a\tb"])
async def test_a_decision_has_somebody_who_made_it(shep: Shep, operator: str | None) -> None:
    [letter] = await store(shep, died())
    headers = by(shep)
    del headers["egov-operator"]
    if operator is not None:
        headers["egov-operator"] = operator
    for answer in (
        await decide(shep, letter["id"], "discard", headers=headers),
        await shep.http.get(f"{PATH}/{letter['id']}/body", headers=headers),
    ):
        assert answer.status_code == 422 and "Egov-Operator" in answer.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    "query",
    [
        {"state": "buried"},
        {"cursor": "@@@"},
        {"limit": 0},
        {"limit": 201},
        {"case": "x"},
        {"queue": "q" * 129},
        {"reason": "\x1b"},
    ],
)
async def test_a_silly_question_names_its_field(shep: Shep, query: dict[str, Any]) -> None:
    answer = await shep.http.get(PATH, params=query, headers=shep.admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert answer.json()["errors"][0]["field"] == f"query.{next(iter(query))}"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
async def test_only_operators_touch_the_dead_letters(shep: Shep, headers: dict[str, str]) -> None:
    [letter] = await store(shep, died())
    for method, path in (
        ("GET", PATH),
        ("GET", f"{PATH}/{letter['id']}"),
        ("GET", f"{PATH}/{letter['id']}/body"),
        ("POST", f"{PATH}/redrive"),
        ("POST", f"{PATH}/{letter['id']}/redrive"),
        ("POST", f"{PATH}/{letter['id']}/discard"),
    ):
        answer = await shep.http.request(method, path, headers=headers)
        assert answer.status_code == 401 and answer.json()["code"].startswith("access."), path


async def redrive_many(shep: Shep, **wanted: Any) -> httpx.Response:
    return await shep.http.post(f"{PATH}/redrive", json={**NOTE, **wanted}, headers=by(shep))


async def test_after_an_outage_many_letters_are_put_back_oldest_first(shep: Shep) -> None:
    bodies = [b"%03d" % n for n in range(IN_FLIGHT + 20)]
    await store(shep, *(died(body, reason="delivery_limit") for body in bodies))
    await store(shep, died(b"refused"), died(b"regional", "inbox.provider-arm", "delivery_limit"))
    told = (await redrive_many(shep, queue=INBOX, reason="delivery_limit", limit=1000)).json()
    assert len(told["redriven"]) == len(bodies) == len(await recorded(shep))
    shep.arrived.clear()
    for _ in range(2):
        await put_back(shep)
    assert [one.body for one in shep.arrived[INBOX]] == bodies
    assert {one["message_id"] for one in await listed(shep, state="waiting")} == {"id-1"}
    rest = (await redrive_many(shep)).json()["redriven"]
    assert len(rest) == 2
    assert (await redrive_many(shep)).json() == {"redriven": []}


async def test_re_driving_a_queue_as_a_whole_follows_the_same_rules(shep: Shep) -> None:
    assert (await redrive_many(shep, queue="nowhere")).json()["code"] == "deadletter.queue_unknown"
    for bad in ({"limit": 0}, {"limit": 1001}, {"queue": "Bad Name"}, {"reason": ""}, {"state": "waiting"}):
        assert (await redrive_many(shep, **bad)).status_code == 422
    await store(shep, died(b"1"), died(b"2"), died(b"3"))
    assert len((await redrive_many(shep, limit=2)).json()["redriven"]) == 2


async def test_what_the_broker_does_not_confirm_is_put_back_later(shep: Shep, monkeypatch: pytest.MonkeyPatch) -> None:
    [letter] = await store(shep, died())
    await decide(shep, letter["id"], "redrive")

    async def closed(messages: Sequence[Outgoing]) -> list[PublishError | None]:
        return [PublishError(PublishFailure.CLOSED, "no connection") for _ in messages]

    with monkeypatch.context() as patch:
        patch.setattr(shep.bus, "publish", closed)
        await put_back(shep)
    assert "no connection" in (await shown(shep, letter["id"]))["last_error"]
    shep.arrived.clear()
    await put_back(shep)
    assert shep.arrived == {}, "not at once again"
    await shep.clock.advance(timedelta(seconds=11))
    await put_back(shep)
    assert [one.body for one in shep.arrived[INBOX]] == [b"poison"]
    after = await shown(shep, letter["id"])
    assert after["last_error"] is None and after["put_back_at"] is not None


async def test_a_queue_without_a_consumer_does_not_hold_up_the_others_nor_gets_the_same_letter_twice(
    shep: Shep,
) -> None:
    stuck, free = await store(shep, died(b"free"), died(b"stuck", "rshep.trunk"))
    held: list[Delivery] = []
    release = asyncio.Event()

    async def hold(batch: Sequence[Delivery]) -> list[Verdict]:
        held.extend(batch)
        await release.wait()
        return [Verdict.ACK for _ in batch]

    for subscription in [one for one in shep.bus._subscriptions if one.queue == "rshep.trunk"]:
        await subscription.cancel()
    await shep.bus.consume("rshep.trunk", hold)
    for letter in (stuck, free):
        await decide(shep, letter["id"], "redrive")
    letters = shep.app.state.running.letters
    for _ in range(3):
        await letters.put_back()
        await shep.clock.advance(timedelta(seconds=11))
    async with asyncio.timeout(10):
        while (await shown(shep, free["id"]))["put_back_at"] is None:
            await SystemClock().sleep(0.01)
    assert [one.body for one in held] == [b"stuck"]
    assert (await shown(shep, stuck["id"]))["put_back_at"] is None
    release.set()
    await letters.idle()
    assert (await shown(shep, stuck["id"]))["put_back_at"] is not None


async def test_the_metrics_tell_how_many_wait_and_health_does_not_mind(shep: Shep) -> None:
    async def waiting() -> str:
        text = (await shep.http.get("/metrics")).text
        return next(line for line in text.splitlines() if line.startswith("egov_dead_letters_waiting{")).split()[-1]

    assert await waiting() == "0.0"
    [_, letter] = await store(shep, died(b"1"), died(b"2"))
    assert await waiting() == "2.0"
    assert (await shep.http.get("/health/ready")).status_code == 200
    await decide(shep, letter["id"], "discard")
    assert await waiting() == "1.0"

"""Faults by name at one service: what each does to messages and calls, whom it hits, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jsonschema_rs
import pytest
import yaml

from egovkit.bus import BusUnavailable, Delivery, Outcome, Outgoing, PublishFailure, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock, ShiftedClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.problems import Problems
from egovkit.sandbox.clock import Control, Moment
from egovkit.sandbox.door import sandbox_router
from egovkit.sandbox.fault_names import SELECTORS, FaultNames
from egovkit.sandbox.faults import MOST, Faults, Hit, Item, Rule, Wish, share
from egovkit.sandbox.faults_api import PATH
from egovkit.sandbox.faulty_bus import FaultyBus
from egovkit.sandbox.faulty_http import bend_http
from egovkit.service import create_service
from egovkit.settings import ServiceSettings
from egovkit.signatures.jws import sign_detached, verify_detached
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki

CODE, QUEUE, OTHER_QUEUE = "portal-pep", "shep.ingress", "inbox.portal-pep"
IIN, OTHER_IIN = "991231600012", "991231600022"
QUERY, STATUS = "kz.egov.query.person.v1", "kz.egov.case.status.v1"


class Settings(ServiceSettings):
    code: ClassVar[str] = CODE


@dataclass
class Bench:
    """A service's bus with faults on a memory bus, and what came out at the other end of it."""

    control: Control
    bus: FaultyBus
    hand: HandClock
    ids: Ids
    key: SigningKey
    pki: TestPki
    came: list[Delivery] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)

    @property
    def faults(self) -> Faults:
        return self.control.faults

    def message(self, queue: str = QUEUE, iin: str = IIN, **changes: Any) -> Outgoing:
        values: dict[str, Any] = {
            "id": self.ids.new(), "source": CODE, "type": QUERY, "subject": self.ids.new(), "time": self.hand.now(),
            "dataschema": "urn:egov:schema:query.person.v1", "recipient": "gbd-fl-mock", "regulation": "r",
            "channel": "portal", "step": "P3", "region": "atyrau", "caseseq": 1,
            "data": {"criterion": {"iin": iin}},
        }  # fmt: skip
        envelope = Envelope(**(values | changes))
        raw = envelope.encode()
        return Outgoing(queue, raw, WireEnvelope(raw, sign_detached(raw, self.key)).headers(), envelope.id)

    async def send(self, *messages: Outgoing) -> None:
        assert await self.bus.publish(messages) == [None] * len(messages)

    async def sent(self, *messages: Outgoing) -> list[str]:
        """The ids that came, in order."""
        await self.send(*messages)
        return self.ids_that_came()

    def ids_that_came(self) -> list[str]:
        return [delivery.message_id for delivery in self.came]

    async def later(self, seconds: float) -> None:
        await self.hand.advance(seconds)
        await self.turns()

    async def turns(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)  # noqa: TID251 - turns of the loop, no time

    def wire(self, place: int = 0) -> WireEnvelope:
        return WireEnvelope.of(self.came[place].body, self.came[place].headers)


@pytest.fixture
async def bench(
    tmp_path: Path, memory_bus: MemoryBus, clock: HandClock, ids: Ids, pki: TestPki
) -> AsyncIterator[Bench]:
    (tmp_path / "token").write_text("sesame\n")
    settings = Settings(home=tmp_path, sandbox=True, sandbox_token_file=tmp_path / "token")
    control = Control(settings, ShiftedClock(clock))
    control.take_bus(memory_bus)
    bus, key = control.faults.bus, pki.system(CODE)
    assert bus is not None
    control.faults.key = key
    made = Bench(control, bus, clock, ids, key, pki)
    control.faults.on_hit.append(made.hits.append)

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        made.came += deliveries
        return [Verdict.ACK] * len(deliveries)

    await memory_bus.consume(QUEUE, take)
    yield made
    await control.leave_bus()


@pytest.fixture
def client(bench: Bench) -> Callable[[], httpx.AsyncClient]:
    app = create_service("twin", problems=read_once(Problems.load, contracts_dir()), clock=bench.control.clock)
    bench_calls: list[str] = []

    @app.post("/v1/cases/{case}")
    async def act(case: str, body: dict[str, str]) -> dict[str, str]:
        bench_calls.append(case)
        return body

    bend_http(app, bench.faults)
    app.serve(sandbox_router(bench.control))
    app.state.calls = bench_calls
    headers = {"Authorization": "Bearer sesame", "Accept-Language": "en"}
    return lambda: httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://twin", headers=headers
    )


# --- the catalogue


def test_the_catalogue_follows_its_schema_and_every_place_is_known() -> None:
    catalogue = yaml.safe_load((contracts_dir() / "faults.yaml").read_text())
    schema = json.loads((contracts_dir() / "schemas" / "faults.schema.json").read_text())
    jsonschema_rs.Draft202012Validator(schema).validate(catalogue)
    names = [entry["name"] for entry in catalogue["faults"]]
    assert len(names) == len(set(names))
    assert {place for entry in catalogue["faults"] for place in entry["bites"]} == set(SELECTORS)


async def test_every_fault_of_the_catalogue_that_bites_a_message_does_something_to_it(bench: Bench) -> None:
    """Whoever adds a name without code for it hears of it here."""
    given = {"seconds": 5.0, "pkcs12": packed(bench, bench.pki.system(CODE)), "password": "Synthetic1"}
    for spec in read_once(FaultNames.load, contracts_dir()).specs.values():
        if not {"publish", "certificate"} & set(spec.bites):
            continue
        wanted = {name: value for name, value in given.items() if name in spec.parameters}
        await bench.faults.set(Wish(spec.name, parameters=wanted))
        bench.came.clear()
        message = bench.message()
        await bench.send(message)
        unbent = [(one.body, one.headers) for one in bench.came] == [(message.body, message.headers)]
        assert not unbent, spec.name
        await bench.faults.clear()
        await bench.later(10)


def packed(bench: Bench, key: SigningKey) -> str:
    return base64.b64encode(key.to_pkcs12("Synthetic1", CODE)).decode()


# --- messages


async def test_without_a_rule_everything_goes_as_it_was_given(bench: Bench) -> None:
    first, second = bench.message(), bench.message()
    assert await bench.sent(first, second) == [first.message_id, second.message_id]
    assert (bench.came[0].body, bench.hits) == (first.body, [])


async def test_a_dropped_message_is_confirmed_and_nobody_gets_it(bench: Bench) -> None:
    await bench.faults.set(Wish("drop", times=1))
    first, second = bench.message(), bench.message()
    assert await bench.sent(first, second) == [second.message_id]
    assert [(hit.fault, hit.place, hit.what) for hit in bench.hits] == [("drop", "publish", first.message_id)]
    assert bench.hits[0].facts["type"] == QUERY


async def test_a_delivery_is_dropped_before_its_handler_sees_it(bench: Bench) -> None:
    seen: list[str] = []

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        seen.extend(one.message_id for one in deliveries)
        return [Verdict.ACK] * len(deliveries)

    await bench.bus.consume(OTHER_QUEUE, take)
    await bench.faults.set(Wish("drop", times=1, parameters={"at": "delivery"}))
    first, second = bench.message(OTHER_QUEUE), bench.message(OTHER_QUEUE)
    await bench.send(first, second)  # confirmed once settled: the lost one was acknowledged
    assert seen == [second.message_id]


async def test_a_duplicate_comes_as_often_as_asked(bench: Bench) -> None:
    await bench.faults.set(Wish("duplicate", times=1, parameters={"copies": 2}))
    message = bench.message()
    assert await bench.sent(message, bench.message()) == [message.message_id] * 3 + [bench.came[3].message_id]


async def test_a_delayed_message_is_a_moment_of_the_clock_and_leaves_then(bench: Bench) -> None:
    await bench.faults.set(Wish("delay", times=1, parameters={"seconds": 30}))
    message, next_one = bench.message(), bench.message()
    assert await bench.sent(message, next_one) == [next_one.message_id]
    due = bench.hand.now() + timedelta(seconds=30)
    assert await bench.control.following() == [Moment("message a fault holds back", due)]
    await bench.later(29)
    assert len(bench.came) == 1
    await bench.later(2)
    assert bench.ids_that_came() == [next_one.message_id, message.message_id]
    assert await bench.control.following() == []


async def test_a_reordered_message_lets_the_next_of_its_queue_go_first(bench: Bench) -> None:
    await bench.faults.set(Wish("reorder", times=1))
    first, second = bench.message(), bench.message()
    await bench.send(first)
    assert bench.came == []
    await bench.send(second)
    await bench.turns()
    assert bench.ids_that_came() == [second.message_id, first.message_id]


async def test_a_reordered_message_leaves_alone_when_no_other_comes(bench: Bench) -> None:
    await bench.faults.set(Wish("reorder", times=1, parameters={"seconds": 3}))
    message = bench.message()
    await bench.send(message)
    await bench.later(4)
    assert bench.ids_that_came() == [message.message_id]


async def test_what_a_fault_holds_back_never_leaves_a_stopped_service(bench: Bench) -> None:
    await bench.faults.set(Wish("delay", parameters={"seconds": 5}))
    await bench.send(bench.message())
    await bench.control.leave_bus()
    await bench.later(10)
    assert bench.came == []


async def test_a_corrupted_body_differs_in_one_bit_and_its_signature_no_longer_holds(bench: Bench) -> None:
    await bench.faults.set(Wish("corrupt"))
    message = bench.message()
    await bench.send(message)
    wire = bench.wire()
    differing = [a ^ b for a, b in zip(wire.raw, message.body, strict=True) if a != b]
    assert differing == [1]
    with pytest.raises(EgovError, match=r"signature\.invalid"):
        verify_detached(wire.raw, wire.signature, bench.key.certificate)


async def test_a_bad_signature_is_the_senders_own_over_other_bytes(bench: Bench) -> None:
    await bench.faults.set(Wish("bad-signature"))
    message = bench.message()
    await bench.send(message)
    wire = bench.wire()
    assert wire.raw == message.body
    verify_detached(wire.raw + b" ", wire.signature, bench.key.certificate)
    with pytest.raises(EgovError, match=r"signature\.invalid"):
        verify_detached(wire.raw, wire.signature, bench.key.certificate)


@pytest.mark.parametrize("name", ["expired-certificate", "revoked-certificate"])
async def test_a_certificates_fault_signs_with_the_certificate_it_was_given(bench: Bench, name: str) -> None:
    other = bench.pki.system(CODE)
    await bench.faults.set(Wish(name, parameters={"pkcs12": packed(bench, other), "password": "Synthetic1"}))
    await bench.send(bench.message(), bench.message(source="con-arm"))
    verify_detached(bench.wire().raw, bench.wire().signature, other.certificate)
    verify_detached(bench.wire(1).raw, bench.wire(1).signature, bench.key.certificate)  # passed on for another: left


@pytest.mark.parametrize(("given", "named"), [({}, CODE), ({"recipient": "enis-mock"}, "enis-mock")])
async def test_a_wrong_recipient_is_signed_anew(bench: Bench, given: dict[str, Any], named: str) -> None:
    await bench.faults.set(Wish("wrong-recipient", parameters=given))
    message = bench.message()
    await bench.send(message)
    wire = bench.wire()
    verify_detached(wire.raw, wire.signature, bench.key.certificate)
    assert Envelope.parse(wire.raw) == replace(Envelope.parse(message.body), recipient=named)


async def test_two_faults_bend_one_message_together(bench: Bench) -> None:
    await bench.faults.set(Wish("bad-signature"))
    await bench.faults.set(Wish("duplicate"))
    message = bench.message()
    assert await bench.sent(message) == [message.message_id] * 2
    assert bench.came[0].headers == bench.came[1].headers != message.headers


# --- whom it hits


@pytest.mark.parametrize(
    ("wish", "hit"),
    [
        (Wish("drop", person=IIN), [True, False, True, True]),
        (Wish("drop", person=OTHER_IIN), [False, True, False, False]),
        (Wish("drop", step="P3"), [True, True, False, True]),
        (Wish("drop", message=STATUS), [False, False, False, True]),
        (Wish("drop", step="P3", message=QUERY, person=IIN), [True, False, False, False]),
    ],
)
async def test_a_rule_hits_what_it_names_and_nothing_else(bench: Bench, wish: Wish, hit: list[bool]) -> None:
    messages = [
        bench.message(),
        bench.message(iin=OTHER_IIN),
        bench.message(step="P5"),
        bench.message(type=STATUS, dataschema="urn:egov:schema:case.status.v1"),
    ]
    rule = await bench.faults.set(wish)
    came = await bench.sent(*messages)
    assert [message.message_id not in came for message in messages] == hit
    assert (rule.matched, rule.hits) == (sum(hit), sum(hit))


async def test_a_rule_about_one_case_leaves_the_others(bench: Bench) -> None:
    mine, other = bench.message(), bench.message()
    await bench.faults.set(Wish("drop", case=Envelope.parse(mine.body).subject))
    assert await bench.sent(mine, other) == [other.message_id]


async def test_what_is_no_envelope_meets_only_a_rule_that_names_nothing(bench: Bench) -> None:
    odd = Outgoing(QUEUE, b"not an envelope", {}, "odd")
    rule = await bench.faults.set(Wish("drop", step="P3"))
    assert await bench.sent(odd) == ["odd"]
    await bench.faults.clear()
    assert not rule.matched
    await bench.faults.set(Wish("corrupt"))
    await bench.send(odd)
    assert bench.came[-1].body != odd.body


def test_which_ones_are_hit_depends_on_seed_name_and_number_alone() -> None:
    def pattern(seed: int, name: str = "drop") -> list[bool]:
        spec = read_once(FaultNames.load, contracts_dir()).spec(name)
        rule = Rule("r", spec, Wish(name, rate=0.3, seed=seed), {})
        return [rule.takes() for _ in range(200)]

    assert pattern(7) == pattern(7)
    assert pattern(7) != pattern(8) and pattern(7) != pattern(7, "corrupt")
    assert 40 <= sum(pattern(7)) <= 80, "about three in ten"
    assert [round(share(1, "drop", n), 6) for n in (1, 2, 3)] == [0.169875, 0.368629, 0.882165], "on every machine"


async def test_the_same_run_again_loses_and_flips_the_same(bench: Bench) -> None:
    messages = [bench.message() for _ in range(40)]
    runs = []
    for _ in range(2):
        bench.came.clear()
        await bench.faults.set(Wish("drop", rate=0.5, seed=11))
        await bench.faults.set(Wish("corrupt", rate=0.5, seed=11))
        await bench.send(*messages)
        runs.append([one.body for one in bench.came])
        await bench.faults.clear()
    assert runs[0] == runs[1] and 0 < len(runs[0]) < 40


# --- connection and clock


async def test_without_its_connection_nothing_is_confirmed_and_what_was_in_hand_comes_again(bench: Bench) -> None:
    seen: list[int] = []
    cut = asyncio.Event()

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        seen.extend(one.attempt for one in deliveries)
        if len(seen) == 1:
            await bench.faults.set(Wish("broker-restart", parameters={"seconds": 5}))
            cut.set()
        return [Verdict.ACK] * len(deliveries)

    assert bench.control.bus is not None
    await bench.control.bus.consume(OTHER_QUEUE, take)
    incoming = asyncio.create_task(bench.bus.inner.publish([bench.message(OTHER_QUEUE)]))
    await cut.wait()
    await bench.turns()
    [refused] = await bench.bus.publish([bench.message()])
    assert refused is not None and refused.reason is PublishFailure.CLOSED
    assert not bench.bus.connected
    with pytest.raises(BusUnavailable):
        await bench.bus.depth(QUEUE)
    assert await bench.control.busy() == ["connection to the broker"]
    assert (seen, incoming.done()) == ([1], False)
    await bench.later(6)
    assert await incoming == [None]
    assert seen == [1, 2] and bench.bus.connected
    await bench.send(bench.message())


async def test_clearing_an_outage_ends_it_at_once(bench: Bench) -> None:
    await bench.faults.set(Wish("broker-restart", parameters={"seconds": 3600}))
    await bench.turns()
    assert not bench.bus.connected
    await bench.faults.clear("broker-restart")
    await bench.turns()
    assert bench.bus.connected
    await bench.send(bench.message())


async def test_a_message_that_leaves_late_waits_for_the_connection(bench: Bench) -> None:
    await bench.faults.set(Wish("delay", parameters={"seconds": 2}))
    await bench.send(bench.message())
    await bench.faults.set(Wish("broker-restart", parameters={"seconds": 10}))
    await bench.later(5)
    assert bench.came == []
    await bench.later(8)
    assert len(bench.came) == 1


async def test_a_skewed_clock_is_this_services_alone_and_counts_seconds_as_before(bench: Bench) -> None:
    clock, shared = bench.control.clock, bench.control.clock.shared
    steady = clock.monotonic()
    await bench.faults.set(Wish("clock-skew", parameters={"seconds": -90}))
    assert clock.now() == shared.now() - timedelta(seconds=90)
    assert clock.monotonic() == steady
    clock.advance(timedelta(hours=1))
    assert clock.offset == shared.offset == timedelta(hours=1)
    await bench.faults.set(Wish("clock-skew", parameters={"seconds": 60}))
    assert clock.now() == shared.now() + timedelta(seconds=60), "the last word counts"
    await bench.faults.clear()
    assert clock.now() == shared.now()


async def test_what_comes_due_is_told_by_the_deployments_time(bench: Bench) -> None:
    async def moments() -> list[Moment]:
        return [Moment("term", bench.control.clock.now() + timedelta(minutes=5))]

    bench.control.moments.append(moments)
    await bench.faults.set(Wish("clock-skew", parameters={"seconds": 3600}))
    [moment] = await bench.control.following()
    assert moment.at == bench.hand.now() + timedelta(minutes=5)


# --- calls


Client = Callable[[], httpx.AsyncClient]


async def test_a_call_fails_before_it_does_anything_or_after(bench: Bench, client: Client) -> None:
    async with client() as http:
        calls = http._transport.app.state.calls  # type: ignore[attr-defined]
        await bench.faults.set(Wish("http-500", times=1))
        undone = await http.post("/v1/cases/1", json={})
        assert (undone.status_code, undone.json()["code"], calls) == (500, "service.internal", [])
        await bench.faults.set(Wish("http-500", times=1, parameters={"at": "reply"}))
        unheard = await http.post("/v1/cases/2", json={})
        assert (unheard.status_code, unheard.json()["code"], calls) == (500, "service.internal", ["2"])
        assert (await http.post("/v1/cases/3", json={"a": "b"})).json() == {"a": "b"}


async def test_a_slow_reply_is_done_at_once_and_heard_later(bench: Bench, client: Client) -> None:
    await bench.faults.set(Wish("slow-reply", parameters={"seconds": 20}))
    async with client() as http:
        calls = http._transport.app.state.calls  # type: ignore[attr-defined]
        call = asyncio.create_task(http.post("/v1/cases/1", json={}))
        await bench.later(19)
        assert calls == ["1"] and not call.done()
        await bench.later(2)
        assert (await call).status_code == 200


async def test_health_metrics_and_the_sandboxs_door_are_never_bent(bench: Bench, client: Client) -> None:
    rule = await bench.faults.set(Wish("http-500"))
    async with client() as http:
        for path in ("/health/live", "/metrics", PATH, "/v1/sandbox"):
            assert (await http.get(path)).status_code == 200, path
    assert rule.matched == 0


@pytest.mark.parametrize(
    ("wish", "statuses"),
    [
        (Wish("http-500", person=IIN), [500, 200, 200]),
        (Wish("http-500", case="b"), [200, 500, 200]),
        (Wish("http-500", parameters={"path": "/v1/cases/c"}), [200, 200, 500]),
    ],
)
async def test_a_call_is_hit_by_person_case_or_path(
    bench: Bench, client: Client, wish: Wish, statuses: list[int]
) -> None:
    await bench.faults.set(wish)
    async with client() as http:
        answers = [
            await http.post(f"/v1/cases/{case}", json={"iin": iin})
            for case, iin in (("a1", IIN), ("b2", OTHER_IIN), ("c3", OTHER_IIN))
        ]
    assert [answer.status_code for answer in answers] == statuses


# --- the door


async def test_a_rule_set_by_the_door_is_listed_with_what_it_met_and_hit(bench: Bench, client: Client) -> None:
    async with client() as http:
        wish = {"name": "drop", "message": QUERY, "person": IIN, "times": 1}
        made = await http.post(PATH, json=wish)
        assert made.status_code == 201, made.text
        await bench.send(bench.message(), bench.message(), bench.message(iin=OTHER_IIN))
        [rule] = (await http.get(PATH)).json()["rules"]
        assert (rule["system"], rule["place"], rule["matched"], rule["hits"]) == (CODE, "publish", 1, 1)
        assert IIN not in json.dumps(rule), "a list may be shown around"
        assert (await http.delete(PATH)).status_code == 204
        assert (await http.get(PATH)).json() == {"system": CODE, "rules": []}


async def test_a_name_takes_back_its_own_rules_alone(bench: Bench, client: Client) -> None:
    async with client() as http:
        for name in ("drop", "corrupt", "drop"):
            await http.post(PATH, json={"name": name})
        await http.delete(PATH, params={"name": "drop"})
        assert [rule["name"] for rule in (await http.get(PATH)).json()["rules"]] == ["corrupt"]
        unknown = await http.delete(PATH, params={"name": "corupt"})
        assert (unknown.status_code, unknown.json()["nearest"]) == (404, "corrupt")


async def test_a_certificates_key_is_never_shown(bench: Bench, client: Client) -> None:
    async with client() as http:
        given = {"pkcs12": packed(bench, bench.pki.system(CODE)), "password": "Synthetic1"}
        made = await http.post(PATH, json={"name": "expired-certificate", "parameters": given})
        assert (made.status_code, made.json()["parameters"]) == (201, {})


async def test_an_unknown_name_is_refused_with_the_nearest_ones(client: Client) -> None:
    async with client() as http:
        refused = await http.post(PATH, json={"name": "dealy"})
    assert (refused.status_code, refused.json()["code"]) == (404, "fault.unknown")
    assert refused.json()["nearest"] == "delay"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"name": "delay"}, "parameters.seconds"),
        ({"name": "delay", "parameters": {"seconds": "5"}}, "parameters.seconds"),
        ({"name": "delay", "parameters": {"seconds": -1}}, "parameters.seconds"),
        ({"name": "drop", "parameters": {"seconds": 1}}, "parameters.seconds"),
        ({"name": "drop", "parameters": {"at": "reply"}}, "parameters.at"),
        ({"name": "wrong-recipient", "parameters": {"recipient": "No One"}}, "parameters.recipient"),
        ({"name": "expired-certificate", "parameters": {"pkcs12": "AAAA", "password": "x"}}, "parameters.pkcs12"),
        ({"name": "drop", "message": "kz.egov.query.persons.v1"}, "message"),
        ({"name": "drop", "person": "12"}, "person"),
        ({"name": "drop", "rate": 0}, "rate"),
        ({"name": "drop", "rate": 1.5}, "rate"),
        ({"name": "drop", "times": 0}, "times"),
        ({"name": "http-500", "step": "P3"}, "step"),
        ({"name": "clock-skew", "times": 2, "parameters": {"seconds": 5}}, "times"),
        ({"name": "broker-restart", "rate": 0.5}, "rate"),
        ({"name": "drop", "until": "tomorrow"}, "until"),
    ],
)
async def test_a_wish_that_means_nothing_is_refused_by_field(client: Client, wish: dict[str, Any], field: str) -> None:
    async with client() as http:
        refused = await http.post(PATH, json=wish)
        assert (refused.status_code, refused.json()["code"]) == (422, "request.invalid"), refused.text
        assert field in [error["field"] for error in refused.json()["errors"]]
        assert (await http.get(PATH)).json()["rules"] == []


async def test_a_fault_of_something_the_service_does_not_have_is_refused(bench: Bench, client: Client) -> None:
    bench.faults.bus = None  # as at НУЦ, which is no member of the bus
    async with client() as http:
        for name in ("drop", "no-data"):
            refused = await http.post(PATH, json={"name": name})
            assert (refused.status_code, refused.json()["code"]) == (409, "fault.not_here")
        assert (await http.post(PATH, json={"name": "http-500"})).status_code == 201


async def test_rules_are_limited_in_number(bench: Bench) -> None:
    for _ in range(MOST):
        await bench.faults.set(Wish("drop", times=1))
    with pytest.raises(EgovError, match=r"fault\.too_many"):
        await bench.faults.set(Wish("drop"))


async def test_only_the_holder_of_the_token_sets_faults(client: Client) -> None:
    async with client() as http:
        http.headers["Authorization"] = "Bearer guess"
        for method in ("GET", "POST", "DELETE"):
            answer = await http.request(method, PATH)
            assert (answer.status_code, answer.json()["code"]) == (401, "sandbox.refused")


def test_a_person_is_found_however_deep_and_only_as_a_whole_text(bench: Bench) -> None:
    deep = Item(bench.message(data={"a": [{"b": {"c": ["x", IIN]}}], "n": 5}).body, "m")
    longer = Item(bench.message(data={"a": f"№{IIN}"}).body, "m")
    rule = Rule("r", read_once(FaultNames.load, contracts_dir()).spec("drop"), Wish("drop", person=IIN), {})
    assert rule.meets(deep) and not rule.meets(longer)

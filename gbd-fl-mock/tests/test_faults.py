"""The control API bends the register, one fault at a time; off by default, and gone when it is deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.messages import MessageRegister
from egovkit.sandbox.identities import load_identities
from egovkit.signatures.jws import verify_detached
from gbd_fl_mock.seed.population import EXAMPLES

if TYPE_CHECKING:
    from conftest import Starting

    from egovregister.testing import Bench

pytestmark = pytest.mark.service
ADULT, OTHER = EXAMPLES["ordinary_adult"], EXAMPLES["deceased"]


async def ask(twin: Bench, iin: str = ADULT, **changes: Any) -> Envelope:
    question = twin.question("query.person", {"iin": iin}, **changes)
    await twin.deliver(question)
    return question


def iins(answer: Envelope) -> list[str]:
    return [person["iin"] for person in answer.data["persons"]]


async def outcomes(twin: Bench) -> list[tuple[str, str | None]]:
    return [(read["outcome"], read["fault"]) for read in reversed(await twin.reads())]


async def test_no_fault_is_set_when_nobody_set_one(twin: Bench) -> None:
    assert (await twin.admin.get("/v1/control/fault")).json() == {"fault": None}
    assert (await twin.admin.delete("/v1/control/fault")).status_code == 204


async def test_silent_takes_the_question_and_never_answers(twin: Bench) -> None:
    await twin.fault(kind="silent", times=1)
    silent = await ask(twin)
    again = await ask(twin, subject=silent.subject, caseseq=2)
    [answer] = await twin.answers(1)
    assert answer.correlationid == again.id
    assert await outcomes(twin) == [("bent", "silent"), ("answered", None)]
    [first, _] = await twin.journal()
    assert (first["outcome"], first["id"], first["type"]) == ("silent", silent.id, silent.type)


async def test_late_leaves_so_many_seconds_later_by_the_clock(twin: Bench) -> None:
    await twin.fault(kind="late", seconds=95)
    asked = await ask(twin)
    await twin.later(94)
    assert twin.sent == []
    [read] = await twin.reads()
    assert (read["outcome"], read["fault"], read["answers"]) == ("bent", "late", [])
    await twin.later(2)
    [answer] = await twin.answers(1)
    assert iins(answer) == [ADULT] and answer.correlationid == asked.id
    assert answer.time >= asked.time + timedelta(seconds=95)
    assert answer.data["answered_at"] > "2026-01-15T04:01:34"
    assert [(row["outcome"], row["type"]) for row in await twin.journal()] == [
        ("delayed", asked.type),
        ("answered", answer.type),
    ]
    await twin.later(200)
    assert len(twin.sent) == 1


async def test_a_late_answer_survives_a_restart(starting: Starting) -> None:
    async with starting() as first:
        await first.fault(kind="late", seconds=60)
        asked = await ask(first)
    assert first.sent == []
    async with starting() as again:
        await again.later(61)
        await again.until(lambda: first.sent or again.sent)  # either collector of the queue
        [delivery] = [*first.sent, *again.sent]
        assert Envelope.parse(delivery.body).correlationid == asked.id


async def test_garbage_breaks_the_schema_and_its_refusal_shows_in_the_read(twin: Bench) -> None:
    await twin.fault(kind="garbage", times=1)
    await ask(twin)
    [answer] = await twin.answers(1)
    with pytest.raises(EgovError, match=r"data\.invalid"):
        read_once(MessageRegister.load, contracts_dir()).check(answer.type, answer.data)
    await twin.deliver(twin.refusal(answer, "data.invalid"))
    [read] = await twin.reads()
    assert (read["outcome"], read["fault"]) == ("bent", "garbage")
    [left] = read["answers"]
    assert (left["id"], left["refused"]["code"], left["refused"]["hop"]) == (answer.id, "data.invalid", "gateway-shep")
    [_, refused] = await twin.journal("admin")
    assert (refused["action"], refused["envelope"]) == ("envelope.refused", answer.id)


async def test_garbage_is_signed_as_everything_else(twin: Bench) -> None:
    await twin.fault(kind="garbage")
    await ask(twin)
    await twin.answers(1)
    wire = WireEnvelope.of(twin.sent[0].body, twin.sent[0].headers)
    verify_detached(wire.raw, wire.signature, twin.keys.register.certificate)


async def test_wrong_person_answers_about_somebody_else(twin: Bench) -> None:
    await twin.fault(kind="wrong_person")
    asked = await ask(twin)
    [answer] = await twin.answers(1)
    [stranger] = iins(answer)
    assert stranger != ADULT and answer.correlationid == asked.id
    assert [read["fault"] for read in await twin.reads(iin=stranger)] == ["wrong_person"], "his data were given out"
    assert [row["outcome"] for row in await twin.journal()] == ["wrong_person"]


async def test_wrong_signature_does_not_verify_over_the_bytes_that_came(twin: Bench) -> None:
    await twin.fault(kind="wrong_signature")
    await ask(twin)
    [answer] = await twin.answers(1)
    wire = WireEnvelope.of(twin.sent[0].body, twin.sent[0].headers)
    with pytest.raises(EgovError, match=r"signature\.invalid"):
        verify_detached(wire.raw, wire.signature, twin.keys.register.certificate)
    assert iins(answer) == [ADULT]
    assert await outcomes(twin) == [("bent", "wrong_signature")]


async def test_twice_answers_one_question_in_two_envelopes(twin: Bench) -> None:
    await twin.fault(kind="twice", times=1)
    asked = await ask(twin)
    first, second = await twin.answers(2)
    assert first.id != second.id
    assert {first.correlationid, second.correlationid} == {asked.id}
    assert first.data == second.data
    await twin.deliver(twin.refusal(second, "order.already_answered"))
    [read] = await twin.reads()
    assert [left["refused"] and left["refused"]["code"] for left in read["answers"]] == [None, "order.already_answered"]
    assert [row["outcome"] for row in await twin.journal()] == ["answered", "twice"]


async def test_down_takes_nothing_until_it_is_deleted(twin: Bench) -> None:
    await twin.fault(kind="down")
    question = twin.question("query.person", {"iin": ADULT})
    publishing = asyncio.create_task(twin.deliver(question))
    await twin.later(30)
    assert await twin.reads() == [] and not publishing.done()
    ready = await twin.http.get("/health/ready")
    assert ready.status_code == 200, "or nobody could reach the control API to end the fault"
    assert (await twin.admin.delete("/v1/control/fault")).status_code == 204
    await publishing
    [answer] = await twin.answers(1)
    assert answer.correlationid == question.id
    assert await outcomes(twin) == [("answered", None)]


async def test_a_register_that_was_down_is_down_after_a_restart(starting: Starting) -> None:
    async with starting() as first:
        await first.fault(kind="down")
    async with starting() as again:
        question = again.question("query.person", {"iin": ADULT})
        publishing = asyncio.create_task(again.deliver(question))
        await again.later(5)
        assert await again.reads() == [] and not publishing.done()
        await again.admin.delete("/v1/control/fault")
        await publishing
        assert [read["question"] for read in await again.reads()] == [question.id]


async def test_the_fault_of_another_replica_takes_hold_within_a_second(twin: Bench) -> None:
    from egovregister.domain import Fault, FaultKind
    from egovregister.store import RegisterStore
    from gbd_fl_mock.tables import register

    async with twin.node.db.begin() as conn:
        await RegisterStore(register).set_fault(conn, Fault(FaultKind.DOWN, None, None, None, twin.clock.now()))
    await twin.later(1.5)
    question = twin.question("query.person", {"iin": ADULT})
    publishing = asyncio.create_task(twin.deliver(question))
    await twin.later(0.5)
    assert not publishing.done()
    await twin.admin.delete("/v1/control/fault")
    await publishing


async def test_a_fault_bends_as_many_questions_as_it_was_told(twin: Bench) -> None:
    await twin.fault(kind="silent", times=2)
    for left in (2, 1):
        assert (await twin.admin.get("/v1/control/fault")).json()["fault"]["times"] == left
        await ask(twin)
    assert (await twin.admin.get("/v1/control/fault")).json() == {"fault": None}
    await ask(twin)
    assert len(await twin.answers(1)) == 1


async def test_a_fault_about_one_person_leaves_the_others_alone(twin: Bench) -> None:
    await twin.fault(kind="silent", iin=ADULT)
    await ask(twin, OTHER)
    await ask(twin, ADULT)
    [answer] = await twin.answers(1)
    assert iins(answer) == [OTHER]


async def test_a_fault_about_one_person_bends_questions_by_his_name_too(twin: Bench) -> None:
    person = (await twin.admin.get(f"/v1/persons/{ADULT}")).json()["person"]
    await twin.fault(kind="silent", iin=ADULT)
    names = {name: person[name] for name in ("surname", "name", "patronymic", "birth_date")}
    await twin.deliver(twin.question("query.person", names))
    assert [read["fault"] for read in await twin.reads(source="con-arm")] == ["silent"]


async def test_after_a_fault_is_deleted_the_repeated_question_is_answered_well(twin: Bench) -> None:
    await twin.fault(kind="wrong_person")
    first = await ask(twin)
    await twin.admin.delete("/v1/control/fault")
    again = await ask(twin, subject=first.subject, caseseq=2)
    answers = {answer.correlationid: iins(answer) for answer in await twin.answers(2)}
    assert answers[again.id] == [ADULT] and answers[first.id] != [ADULT]


async def test_an_expired_question_does_not_use_up_a_fault(twin: Bench) -> None:
    await twin.fault(kind="silent", times=1)
    await ask(twin, expirytime=twin.clock.now() - timedelta(seconds=3))
    assert (await twin.admin.get("/v1/control/fault")).json()["fault"]["times"] == 1


async def test_setting_and_deleting_a_fault_is_in_the_journal(twin: Bench) -> None:
    await twin.fault(kind="late", seconds=5.5, times=3)
    await twin.admin.delete("/v1/control/fault")
    actions = [(row["action"], row.get("kind")) for row in await twin.journal("admin")]
    assert actions == [("fault.set", "late"), ("fault.deleted", None)]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "kind"),
        ({"kind": "sleepy"}, "kind"),
        ({"kind": "late"}, "seconds"),
        ({"kind": "late", "seconds": 0}, "seconds"),
        ({"kind": "late", "seconds": 1e9}, "seconds"),
        ({"kind": "silent", "seconds": 5}, "seconds"),
        ({"kind": "silent", "times": 0}, "times"),
        ({"kind": "silent", "times": "2"}, "times"),
        ({"kind": "silent", "iin": "12"}, "iin"),
        ({"kind": "silent", "iin": "991231600013"}, "iin"),
        ({"kind": "down", "times": 3}, "times"),
        ({"kind": "down", "iin": ADULT}, "iin"),
        ({"kind": "silent", "until": "tomorrow"}, "until"),
    ],
)
async def test_a_fault_that_means_nothing_is_refused(twin: Bench, wish: dict[str, Any], field: str) -> None:
    answer = await twin.admin.put("/v1/control/fault", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await twin.admin.get("/v1/control/fault")).json() == {"fault": None}


@pytest.mark.parametrize("method", ["get", "put", "delete"])
async def test_the_control_api_is_the_administrators(twin: Bench, method: str) -> None:
    answer = await twin.http.request(method, "/v1/control/fault")
    assert (answer.status_code, answer.json()["code"]) == (401, "register.admin_refused")


async def test_nothing_of_the_register_is_lost_while_it_is_down(twin: Bench) -> None:
    """Many questions wait in the queue; each is answered once when it is over."""
    await twin.fault(kind="down")
    questions = [twin.question("query.person", {"iin": iin}) for iin in (ADULT, OTHER) * 5]
    publishing = asyncio.create_task(twin.deliver(*questions))
    await twin.later(3)
    await twin.admin.delete("/v1/control/fault")
    await publishing
    assert sorted(str(one.correlationid) for one in await twin.answers(10)) == sorted(one.id for one in questions)


async def test_a_question_that_comes_again_is_answered_once(twin: Bench) -> None:
    question = twin.question("query.person", {"iin": ADULT})
    await twin.deliver(question)
    await twin.deliver(question)
    assert len(await twin.answers(1)) == 1
    assert len(await twin.reads()) == 1


async def test_no_data_answers_that_nothing_is_found_and_gives_nobody_out(twin: Bench) -> None:
    await twin.fault(kind="no_data")
    await ask(twin)
    [answer] = await twin.answers(1)
    assert (answer.data["result"]["code"], answer.data["persons"]) == ("00000", [])
    assert await outcomes(twin) == [("bent", "no_data")]


MAGIC = load_identities(contracts_dir())


@pytest.mark.parametrize(
    ("name", "fault"),
    [("register-silent", "silent"), ("register-garbage", "garbage"), ("register-wrong-person", "wrong_person")],
)
async def test_some_persons_are_answered_wrongly_without_any_control_call(twin: Bench, name: str, fault: str) -> None:
    for _ in range(2):  # always: nothing counts down
        await ask(twin, str(MAGIC[name].iin))
    await ask(twin, ADULT)
    assert sorted(await outcomes(twin), key=str) == [("answered", None), ("bent", fault), ("bent", fault)]


async def test_some_person_is_always_answered_late(twin: Bench) -> None:
    await ask(twin, str(MAGIC["register-late"].iin))
    await twin.later(19)
    assert twin.sent == []
    await twin.later(2)
    [answer] = await twin.answers(1)
    assert iins(answer) == [MAGIC["register-late"].iin]


async def test_for_some_person_the_register_is_always_down_and_for_the_others_it_is_not(twin: Bench) -> None:
    question = twin.question("query.person", {"iin": MAGIC["register-down"].iin})
    publishing = asyncio.create_task(twin.deliver(question))
    assert await twin.dead() == ["delivery_limit"]
    await publishing
    await ask(twin, ADULT)
    assert [read["outcome"] for read in await twin.reads(source="con-arm")] == ["answered"]


async def test_a_fault_that_is_set_comes_before_what_always_happens(twin: Bench) -> None:
    await twin.fault(kind="no_data", times=1)
    for _ in range(2):
        await ask(twin, str(MAGIC["register-silent"].iin))
    assert sorted(fault for _, fault in await outcomes(twin) if fault) == ["no_data", "silent"]

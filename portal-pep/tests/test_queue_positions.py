"""The applicant follows his place in the queue: asked, answered, asked again, and what a bad answer changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from egovkit.envelope import Envelope
from egovkit.membership import sign_members
from egovlaw.identifiers import synthetic_iin
from portal_pep.store import queue_positions as store

pytestmark = pytest.mark.service

REGISTER, QUEUE = "registers-mock", "housing_queue"
STANDING = {"code": "standing", "name_ru": "Состоит в очереди", "name_kk": "Кезекте тұр"}
GENERAL = {"code": "general", "name_ru": "Общая очередь", "name_kk": "Жалпы кезек"}
STAMP = "2026-01-10T06:00:00.000Z"
DONE = {"code": "00000", "name_ru": "Обработано", "name_kk": "Өңделді"}


@pytest.fixture
async def case(world: Any, citizen: Any, sent: Any) -> str:
    """An application with a positive result, which names the number of the place."""
    _, provider = sent
    provider.notice = json.dumps({"kind": "result", "values": {"queue_number": 57}}).encode()
    await provider.say("case.completed", 2)
    world.shep.arrived = type(world.shep.arrived)()
    return str(provider.case)


def entry(position: int, **more: Any) -> dict[str, Any]:
    found = {"id": "housing_queue/atyrau/57", "status": STANDING, "since": "2026-01-10"}
    return {**found, "category": GENERAL, "number": 57, "position": position, "direction": False, **more}


async def answer(world: Any, question: Envelope, entries: list[Any], *, source: str = REGISTER, **more: Any) -> Any:
    data = {"result": DONE, "answered_at": STAMP, "register": QUEUE, "operation": "position"}
    entries = [{"person_iin": question.data["person_iin"], **one} for one in entries]
    told = world.shep.envelope("answer.register", question.subject, {**data, "entries": entries, **more},
                               step=question.step, source=source)  # fmt: skip
    message = world.shep.outgoing(replace(told, correlationid=question.id))
    await world.shep.send(message)
    return message


async def next_end(world: Any) -> datetime | None:
    """Where the sandbox's clock is to stop."""
    async with world.app.state.node.db.read() as conn:
        return await store.next_end(conn, world.clock.now())


async def place(citizen: Any, case: str) -> Any:
    return (await citizen.get(f"/v1/cases/{case}/queue-position")).json()


async def test_a_place_is_asked_for_over_the_bus_and_shown_with_the_time_it_was_told(
    world: Any, citizen: Any, case: str
) -> None:
    assert await place(citizen, case) == {"queue": QUEUE, "place": None, "told_at": None, "question": None}
    asked = await citizen.post(f"/v1/cases/{case}/queue-position")
    assert asked.status_code == 202 and asked.json()["question"]["state"] == "waiting"
    question = await world.shep.next()
    assert (question.type, question.recipient, question.step) == ("kz.egov.query.register.v1", REGISTER, "P8")
    named = {name: question.data[name] for name in ("register", "operation", "clause")}
    assert named == {"register": QUEUE, "operation": "position", "clause": "6 12)"}
    await answer(world, question, [entry(12, family_size=4)])
    found = await place(citizen, case)
    assert found["question"]["state"] == "answered" and found["told_at"]
    shown = {name: found["place"][name] for name in ("number", "position", "direction", "family_size", "category")}
    assert shown == {
        "number": 57, "position": 12, "direction": False, "family_size": 4,
        "category": {"code": "general", "name_kk": "Жалпы кезек", "name_ru": "Общая очередь"},
    }  # fmt: skip
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), [entry(11)])
    assert (await place(citizen, case))["place"]["position"] == 11


async def test_while_a_question_waits_nothing_new_is_asked_and_later_it_may_be(
    world: Any, citizen: Any, case: str
) -> None:
    for _ in range(2):
        assert (await citizen.post(f"/v1/cases/{case}/queue-position")).json()["question"]["state"] == "waiting"
    first = await world.shep.next()
    assert await next_end(world) == world.clock.now() + timedelta(seconds=60)
    await world.clock.advance(61)
    assert (await place(citizen, case))["question"]["state"] == "no_answer" and await next_end(world) is None
    await citizen.post(f"/v1/cases/{case}/queue-position")
    assert (await world.shep.next()).id != first.id and world.shep.arrived.empty()
    await answer(world, first, [entry(3)])
    assert (await place(citizen, case))["place"] is None, "an answer to an earlier question"


@pytest.mark.parametrize(
    ("entries", "more"),
    [
        ([entry(1), entry(2)], {}),
        ([entry(1)], {"register": "kindergarten_queue"}),
        ([], {"result": {"code": "00003", "name_ru": "…", "name_kk": "…"}}),
    ],
)
async def test_an_answer_that_says_nothing_of_what_was_asked_leaves_the_known_place(
    world: Any, citizen: Any, case: str, entries: list[Any], more: dict[str, Any]
) -> None:
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), [entry(7)])
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), entries, **more)
    found = await place(citizen, case)
    assert (found["question"]["state"], found["place"]["position"]) == ("unusable", 7)


@pytest.mark.parametrize(("number", "state"), [(57, "answered"), (58, "unusable")])
async def test_a_childs_place_is_known_by_the_number_of_the_result_and_a_strangers_is_not_shown(
    world: Any, citizen: Any, case: str, number: int, state: str
) -> None:
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), [entry(4, number=number, person_iin=synthetic_iin(3000))])
    found = await place(citizen, case)
    assert (found["question"]["state"], found["place"] is not None) == (state, state == "answered")


async def test_who_stands_nowhere_is_told_so(world: Any, citizen: Any, case: str) -> None:
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), [])
    found = await place(citizen, case)
    assert (found["question"]["state"], found["place"]) == ("answered", None) and found["told_at"]


async def test_a_gateways_refusal_of_the_question_is_shown_and_the_application_stays_as_it_was(
    world: Any, citizen: Any, case: str
) -> None:
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await world.shep.refuse(await world.shep.next(), "participant.suspended")
    found = await place(citizen, case)
    assert (found["question"]["state"], found["question"]["problem"]["code"]) == ("refused", "participant.suspended")
    assert (await citizen.page(case))["status"]["code"] == "completed"


async def test_a_late_refusal_of_an_earlier_question_changes_nothing_and_is_none_of_the_application(
    world: Any, citizen: Any, case: str
) -> None:
    await citizen.post(f"/v1/cases/{case}/queue-position")
    earlier = await world.shep.next()
    await world.clock.advance(61)
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), [entry(7)])
    before = await citizen.history(case)
    await world.shep.refuse(earlier, "participant.suspended")
    found = await place(citizen, case)
    assert (found["question"]["state"], found["place"]["position"]) == ("answered", 7)
    assert await citizen.history(case) == before


async def test_an_answer_of_somebody_else_is_a_dead_letter(world: Any, citizen: Any, case: str) -> None:
    await citizen.post(f"/v1/cases/{case}/queue-position")
    await answer(world, await world.shep.next(), [entry(1)], source="provider-arm")
    assert (await place(citizen, case))["question"]["state"] == "waiting"
    assert await world.bus.depth("dead-letters") == 1


async def test_before_the_result_and_in_a_service_without_a_queue_there_is_nothing_to_follow(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    early = await citizen.post(f"/v1/cases/{provider.case}/queue-position")
    assert (early.status_code, early.json()["code"]) == (409, "queue_position.too_early")
    other = await citizen.open(regulation="semey-unemployed-certificate")
    none = await citizen.get(f"/v1/cases/{other}/queue-position")
    assert (none.status_code, none.json()["code"]) == (404, "queue_position.none")


async def test_without_a_register_on_the_bus_he_is_told_to_try_later(world: Any, citizen: Any, case: str) -> None:
    world.shep.suspended.add(REGISTER)
    world.shep.version += 1
    world.app.state.portal.membership.update(sign_members(world.shep.members(), world.shep.keys["gateway-shep"]))
    asked = await citizen.post(f"/v1/cases/{case}/queue-position")
    assert (asked.status_code, asked.json()["code"]) == (503, "register_query.register_absent")

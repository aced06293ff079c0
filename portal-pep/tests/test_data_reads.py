"""Who read my data: asked of every register by the person alone, kept, and shown with what is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from egovkit.envelope import Envelope
from egovkit.membership import sign_members
from portal_pep.store import data_reads as store

pytestmark = pytest.mark.service

PERSONS, AKIMAT = "gbd-fl-mock", "registers-mock"
DONE = {"code": "00000", "name_ru": "Обработано", "name_kk": "Өңделді"}
CASE = "019bc000-0000-7000-8000-000000000077"


def moment(world: Any, ago: int = 60) -> str:
    at = world.clock.now() - timedelta(seconds=ago)
    return str(at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def read(world: Any, n: int, **more: Any) -> dict[str, Any]:
    """The centre's read for a housing queue; `n` is its place in time."""
    facts = {
        "id": f"019bc000-0000-7000-8000-{n:012}", "at": moment(world, 1000 - n), "source": "other-arm",
        "official": "operator-1", "purpose_ru": "Постановка на учёт", "clause": "6 8)", "case": CASE,
        "regulation": "atyrau-housing-queue", "channel": "portal", "step": "P6", "region": "atyrau",
        "criterion": "iin", "found": 1, "outcome": "answered",
    }  # fmt: skip
    return {**facts, **more}


async def asked(world: Any, citizen: Any) -> dict[str, Envelope]:
    """A new question to both registers, by register."""
    answered = await citizen.post("/v1/data-reads")
    assert answered.status_code == 202, answered.text
    questions = [await world.shep.next() for _ in range(2)]
    return {one.recipient: one for one in questions}


async def answer(world: Any, question: Envelope, reads: list[Any], *, source: str | None = None, **more: Any) -> None:
    data = {"result": DONE, "answered_at": moment(world, 0), "iin": question.data["iin"], "more": False, **more}
    told = world.shep.envelope(
        "answer.reads", question.subject, {**data, "reads": reads}, step="-", source=source or question.recipient
    )
    nowhere = {"regulation": "-", "channel": "-", "region": question.region, "caseseq": 0}
    await world.shep.send(world.shep.outgoing(replace(told, correlationid=question.id, **nowhere)))


async def listed(citizen: Any, **params: Any) -> Any:
    answered = await citizen.get("/v1/data-reads", **params)
    assert answered.status_code == 200, answered.text
    return answered.json()


async def states(citizen: Any) -> dict[str, str]:
    return {one["holder"]["code"]: one["state"] for one in (await listed(citizen))["registers"]}


async def test_before_anything_was_asked_the_registers_are_named_and_nothing_is_known(world: Any, citizen: Any) -> None:
    found = await listed(citizen)
    assert (found["items"], found["next"]) == ([], None)
    assert await states(citizen) == {PERSONS: "never_asked", AKIMAT: "never_asked"}
    assert all(one["text"][lang] for one in found["registers"] for lang in ("kk", "ru", "en"))


async def test_every_register_is_asked_for_this_person_alone_outside_any_case(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    assert questions.keys() == {PERSONS, AKIMAT}
    for one in questions.values():
        assert one.type == "kz.egov.query.reads.v1" and one.data == {"iin": citizen.iin, "limit": 100}
        assert (one.regulation, one.channel, one.step, one.caseseq) == ("-", "-", "-", 0)
    assert {code: one.region for code, one in questions.items()} == {PERSONS: "-", AKIMAT: "atyrau"}
    assert questions[PERSONS].subject != questions[AKIMAT].subject


async def test_a_read_is_shown_with_requester_service_purpose_step_and_the_acts_own_clause(
    world: Any, citizen: Any
) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[PERSONS], [read(world, 1)])
    (shown,) = (await listed(citizen))["items"]
    assert shown["holder"] == {"code": PERSONS, "name_kk": PERSONS, "name_ru": PERSONS}
    requester = {"code": "other-arm", "name_kk": "other-arm", "name_ru": "other-arm", "official": "operator-1"}
    assert shown["requester"] == requester
    assert (shown["purpose_ru"], shown["case"], shown["found"]) == ("Постановка на учёт", CASE, 1)
    assert shown["service"]["regulation"] == "atyrau-housing-queue" and shown["service"]["title_kk"]
    law = world.app.state.portal.catalogue.regulation("atyrau-housing-queue")
    ground = {
        "clause": "6 8)", "step": "P6", "text_ru": law.channels["portal"].item("P6").text_ru,
        "act_number": law.act.number, "act_date": law.act.date.isoformat(),
    }  # fmt: skip
    assert shown["ground"] == ground
    assert set(shown["text"]) == {"kk", "ru", "en"} and all(shown["text"].values())


async def test_an_administrators_look_has_no_service_and_still_a_reason(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    nowhere = dict.fromkeys(("clause", "regulation", "channel", "step", "region"), "-")
    looked = read(world, 1, source=PERSONS, official="administrator", outcome="shown", **nowhere)
    del looked["case"]
    await answer(world, questions[PERSONS], [looked])
    (shown,) = (await listed(citizen))["items"]
    assert (shown["service"], shown["case"], shown["channel"], shown["ground"]["text_ru"]) == (None, None, None, None)
    assert (shown["requester"]["code"], shown["outcome"]) == (PERSONS, "shown")


async def test_a_silent_register_is_named_and_what_the_others_told_is_shown(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[AKIMAT], [read(world, 1)])
    assert await states(citizen) == {PERSONS: "waiting", AKIMAT: "answered"}
    await world.clock.advance(61)
    assert await states(citizen) == {PERSONS: "no_answer", AKIMAT: "answered"}
    found = await listed(citizen)
    assert [one["holder"]["code"] for one in found["items"]] == [AKIMAT]
    told = {one["holder"]["code"]: one["told_at"] is not None for one in found["registers"]}
    assert told == {PERSONS: False, AKIMAT: True}


async def test_while_a_register_has_a_question_only_the_others_are_asked_again(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[AKIMAT], [])
    await citizen.post("/v1/data-reads")
    assert (await world.shep.next()).recipient == AKIMAT
    assert world.shep.arrived.empty()


async def test_asked_again_only_what_may_be_new_is_asked_for_and_nothing_is_shown_twice(
    world: Any, citizen: Any
) -> None:
    first = await asked(world, citizen)
    one = read(world, 1)
    for question in first.values():
        await answer(world, question, [one] if question.recipient == PERSONS else [])
    again = await asked(world, citizen)
    assert again[PERSONS].data["since"] < one["at"] and "since" not in again[AKIMAT].data
    await answer(world, again[PERSONS], [one, read(world, 2)])
    assert [item["id"][-1] for item in (await listed(citizen))["items"]] == ["2", "1"]


async def test_a_register_with_much_to_tell_is_asked_on_until_there_is_no_more(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[PERSONS], [read(world, n) for n in range(1, 4)], more=True)
    assert (await states(citizen))[PERSONS] == "waiting"
    following = await world.shep.next()
    assert (following.recipient, following.data["after"]) == (PERSONS, read(world, 3)["id"])
    await answer(world, following, [read(world, 4)])
    assert (await states(citizen))[PERSONS] == "answered"
    assert len((await listed(citizen))["items"]) == 4


async def test_pages_registers_and_periods_divide_what_is_known(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[PERSONS], [read(world, n) for n in (1, 3, 5)])
    await answer(world, questions[AKIMAT], [read(world, n) for n in (2, 4)])
    seen: list[str] = []
    page = await listed(citizen, limit=2)
    while True:
        seen += [one["id"][-1] for one in page["items"]]
        if page["next"] is None:
            break
        page = await listed(citizen, limit=2, cursor=page["next"])
    assert seen == ["5", "4", "3", "2", "1"]
    assert [one["id"][-1] for one in (await listed(citizen, register=AKIMAT))["items"]] == ["4", "2"]
    period = {"since": read(world, 2)["at"], "until": read(world, 4)["at"]}
    assert [one["id"][-1] for one in (await listed(citizen, **period))["items"]] == ["3", "2"]
    refused = await citizen.get("/v1/data-reads", cursor="ä")
    assert (refused.status_code, refused.json()["code"]) == (400, "request.cursor_invalid")
    naive = await citizen.get("/v1/data-reads", since="2026-01-15T04:00:00")
    assert (naive.status_code, naive.json()["code"]) == (422, "request.invalid")


async def test_nobody_sees_what_was_read_about_another(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[PERSONS], [read(world, 1)])
    other = await world.citizen().arrive()
    assert (await listed(other))["items"] == []
    assert set((await states(other)).values()) == {"never_asked"}
    stranger = await asked(world, other)
    assert {one.data["iin"] for one in stranger.values()} == {other.iin}


async def test_an_answer_about_another_person_is_not_used(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    other = world.citizen()
    await answer(world, questions[PERSONS], [read(world, 1)], iin=other.iin)
    await answer(world, questions[AKIMAT], [], result={**DONE, "code": "00003"})
    assert await states(citizen) == {PERSONS: "unusable", AKIMAT: "unusable"}
    assert (await listed(citizen))["items"] == []


async def test_an_answer_nobody_asked_for_is_a_dead_letter(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await answer(world, questions[PERSONS], [read(world, 1)], source=AKIMAT)
    await answer(world, replace(questions[PERSONS], id=CASE), [read(world, 1)])
    await answer(world, questions[PERSONS], [])
    await answer(world, questions[PERSONS], [read(world, 1)])
    assert await world.bus.depth("dead-letters") == 3
    assert (await listed(citizen))["items"] == []


async def test_a_late_answer_is_recorded_and_not_applied(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await world.clock.advance(61)
    await answer(world, questions[PERSONS], [read(world, 1)])
    assert (await states(citizen))[PERSONS] == "no_answer"
    assert (await listed(citizen))["items"] == []


async def test_a_gateways_refusal_is_shown_beside_the_register(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    await world.shep.refuse(questions[PERSONS], "participant.suspended")
    found = {one["holder"]["code"]: one for one in (await listed(citizen))["registers"]}
    assert (found[PERSONS]["state"], found[PERSONS]["problem"]["code"]) == ("refused", "participant.suspended")
    assert found[AKIMAT]["state"] == "waiting"


async def test_a_register_off_the_list_is_not_asked_and_what_it_told_stays(world: Any, citizen: Any) -> None:
    questions = await asked(world, citizen)
    for question in questions.values():
        await answer(world, question, [read(world, 1 if question.recipient == PERSONS else 2)])
    world.shep.suspended.add(PERSONS)
    world.shep.version += 1
    world.app.state.portal.membership.update(sign_members(world.shep.members(), world.shep.keys["gateway-shep"]))
    await citizen.post("/v1/data-reads")
    assert (await world.shep.next()).recipient == AKIMAT and world.shep.arrived.empty()
    assert len((await listed(citizen))["items"]) == 2


async def test_an_account_that_its_person_has_not_confirmed_sees_nothing(world: Any) -> None:
    somebody = world.citizen()
    await somebody.register()
    await somebody.log_in()
    for answered in (await somebody.get("/v1/data-reads"), await somebody.post("/v1/data-reads")):
        assert (answered.status_code, answered.json()["code"]) == (403, "account.not_confirmed")


async def test_the_sandboxs_clock_stops_where_a_question_ends(world: Any, citizen: Any) -> None:
    await asked(world, citizen)
    async with world.app.state.node.db.read() as conn:
        assert await store.next_end(conn, world.clock.now()) == world.clock.now() + timedelta(seconds=60)

"""Asking the registers: who is asked, under which limit, what each kind of answer leads to, and who read it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from con_arm.handlers import HANDLERS
from con_arm.store import queries as store
from egovkit.contracts import contracts_dir, read_once
from egovkit.messages import MessageRegister
from egovlaw.flow import CaseProgress, OrderAccepted, TrailStep, judge_order

from .conftest import DONE, attorney, entry, person

pytestmark = pytest.mark.service


async def next_end(world: Any) -> datetime | None:
    """Where the sandbox's clock is to stop."""
    async with world.app.state.node.db.read() as conn:
        return await store.next_end(conn, world.clock.now())


def states(queries: list[dict[str, Any]]) -> dict[str, str]:
    return {one["register"]: one["state"] for one in queries}


def test_every_message_that_may_come_to_an_origin_has_a_handler() -> None:

    register = read_once(MessageRegister.load, contracts_dir())
    expected = {spec.type for spec in register if {"origin", "any"} & set(spec.to_kinds)}
    # The provider alone asks the akimat's registers, and decides in flows that begin at his own desk.
    expected -= {"kz.egov.answer.register.v1", "kz.egov.case.decided.v1"}
    assert set(HANDLERS) == expected - {"kz.egov.members.updated.v1"}  # the inbox takes that one itself


async def test_a_consumer_who_speaks_for_himself_is_asked_about_in_the_person_register_alone(
    world: Any, operator: Any
) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    assert world.shep.arrived.empty()
    assert (query.type, query.recipient, query.step) == ("kz.egov.query.person.v1", "gbd-fl-mock", "P3")
    assert query.data["criterion"] == {"iin": iin} and query.data["official"] == operator.id
    assert query.data["clause"] == "8 3)" and query.data["purpose_ru"].startswith("Постановка на учет")
    assert query.expirytime == world.clock.now() + timedelta(seconds=90)
    assert (query.channel, query.region, query.caseseq) == ("centre", "atyrau", 1)


async def test_the_notaries_register_is_asked_in_parallel_when_a_notary_certified_the_power_of_attorney(
    world: Any, operator: Any
) -> None:
    persons, attorneys = await operator.asked(world.iin(), world.represented())
    assert (attorneys.type, attorneys.recipient) == ("kz.egov.query.attorney.v1", "enis-mock")
    assert attorneys.data["criterion"] == {"registry_number": "№ 1-Ә/2026", "date": "2025-06-01"}
    assert persons.time == attorneys.time and (persons.caseseq, attorneys.caseseq) == (1, 2)


async def test_a_power_of_attorney_certified_otherwise_is_nobodys_to_ask_about(world: Any, operator: Any) -> None:
    """A8; cl. 8 2): its data are not filled in."""
    other = {"iin": world.iin(), "attorney": {"certified": "other", "note": "бас дәрігер куәландырған"}}
    queries = await operator.asked(world.iin(), other)
    assert [one.type for one in queries] == ["kz.egov.query.person.v1"]


async def test_the_questions_follow_the_flow_as_the_gateway_judges_it(world: Any, operator: Any) -> None:
    queries = await operator.asked(world.iin(), world.represented())
    channel = world.app.state.centre.catalogue.regulation(queries[0].regulation).channels["centre"]
    progress: CaseProgress | None = None
    for query in queries:
        read_once(MessageRegister.load, world.app.state.node.contracts).check(query.type, query.data)
        trail = [TrailStep(one["step"], one["outcome"], world.clock.now()) for one in query.data["trail"]]
        judged = judge_order(channel, progress, query.type, query.step, trail)
        assert isinstance(judged, OrderAccepted), judged
        progress = judged.progress
    assert [step["step"] for step in queries[0].data["trail"]] == ["P1", "P2"]


async def test_the_steps_before_the_question_stand_in_our_own_journal_with_their_limits(
    world: Any, operator: Any
) -> None:
    case = await operator.open()
    await world.clock.advance(20)
    await operator.consumer(case, world.iin())
    await operator.ask(case)
    query = await world.shep.next()
    rows = {one["step"]: one for one in await world.journal(case)}
    assert (rows["P1"]["clause"], rows["P1"]["limit_s"], rows["P1"]["outcome"]) == ("8 1)", 60, "done")
    assert (rows["P2"]["limit_s"], rows["P2"]["used_s"]) == (30, 20)
    sent = rows["P3"]
    assert (sent["kind"], sent["outcome"], sent["limit_s"], sent["id"]) == ("envelope", "done", 90, query.id)
    assert (sent["state_before"], sent["state_after"]) == ("form_filled", "data_requested")


async def test_when_both_registers_know_them_the_condition_is_met(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    await world.clock.advance(7)
    await world.shep.answer(attorneys, attorney(iin, representative["iin"]))
    assert (await operator.page(persons.subject))["state"] == "data_requested"  # the other one is still silent
    await world.shep.answer(persons, person(iin))
    page = await operator.page(persons.subject)
    assert page["state"] == "data_checked" and page["facts"] == [] and page["may_prepare"]
    progress = {one["step"]: one for one in page["progress"]}
    assert progress["C1"]["outcome"] == "ok" and progress["C1"]["clause"] == "8 4)"
    assert (progress["P3"]["outcome"], progress["P3"]["used_s"], progress["P3"]["limit_s"]) == ("answer_applied", 7, 90)
    queries = await operator.queries(persons.subject)
    assert states(queries) == {"person": "answered", "attorney": "answered"}
    assert [one["used_s"] for one in queries] == [7, 7] and queries[0]["limit_s"] == 90
    assert queries[0]["answer"]["persons"][0]["name"] == "ҰЛЖАН"


async def test_a_person_the_register_does_not_know_ends_the_case_with_the_acts_message(
    world: Any, operator: Any
) -> None:
    """A9: no number, no document; ШЭП hears of it."""
    [query] = await operator.asked(world.iin())
    await world.shep.answer(query)
    report = await world.shep.next()
    page = await operator.page(query.subject)
    assert page["state"] == "no_data" and page["status"]["ended"] and page["number"] is None
    assert page["message"]["ru"] == "Невозможно получить данные: В ГБД ФЛ нет данных потребителя"
    assert page["message"]["kk"] == "Деректерді алу мүмкін емес: ЖТ МДБ-да тұтынушының деректері жоқ"
    assert (report.type, report.recipient, report.step) == ("kz.egov.steps.reported.v1", "gateway-shep", "P4")
    assert report.data["outcome"] == {"step": "P4", "code": "register.person_not_found"}
    assert [(one["step"], one["outcome"]) for one in report.data["trail"]] == [("C1", "violation")]
    channel = world.app.state.centre.catalogue.regulation(report.regulation).channels["centre"]
    steps = [TrailStep(one["step"], one["outcome"], world.clock.now()) for one in report.data["trail"]]
    assert isinstance(judge_order(channel, CaseProgress("P3"), report.type, "P4", steps), OrderAccepted)
    rows = [(one["step"], one["outcome"]) for one in await world.journal(query.subject)]
    assert rows.count(("C1", "violation")) == rows.count(("P4", "refusal")) == 1
    assert (await operator.prepare(query.subject)).json()["code"] == "case.wrong_state"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (None, "register.attorney_not_found"),
        ({"principals": [{"name": "БАСҚА АДАМ", "iin": "991231600999"}]}, "register.attorney_of_another_principal"),
        ({"principals": [{"name": "ЖСН-сіз"}]}, "register.attorney_of_another_principal"),
        (
            {"representatives": [{"name": "БАСҚА", "iin": "991231600999"}]},
            "register.attorney_of_another_representative",
        ),
        ({"revoke_date": "2026-01-10"}, "register.attorney_revoked"),
        ({"valid_to": "2026-01-14"}, "register.attorney_expired"),
        ({"valid_from": "2026-01-16"}, "register.attorney_not_yet_valid"),
    ],
)
async def test_a_power_of_attorney_that_does_not_serve_is_no_data_with_its_own_reason(
    world: Any, operator: Any, change: dict[str, Any] | None, code: str
) -> None:
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    found = [] if change is None else [{**attorney(iin, representative["iin"]), **change}]
    await world.shep.answer(attorneys, *found)
    await world.shep.answer(persons, person(iin))
    page = await operator.page(persons.subject)
    assert page["state"] == "no_data" and page["problem"]["codes"] == [code]
    assert next(one["reason"] for one in page["queries"] if one["register"] == "attorney") == code
    assert (await world.shep.next()).data["outcome"]["code"] == code


async def test_both_reasons_are_told_when_neither_register_knows_anything(world: Any, operator: Any) -> None:
    persons, attorneys = await operator.asked(world.iin(), world.represented())
    await world.shep.answer(attorneys)
    await world.shep.answer(persons)
    page = await operator.page(persons.subject)
    assert page["problem"]["codes"] == ["register.person_not_found", "register.attorney_not_found"]
    assert "ЕНИС" in page["message"]["ru"] and "ГБД ФЛ" in page["message"]["ru"]
    await world.shep.next()


async def test_a_silent_register_has_expired_and_is_asked_again_under_a_limit_of_its_own(
    world: Any, operator: Any
) -> None:
    """E1: a technical error, repeatable, never the act's refusal."""
    iin = world.iin()
    [first] = await operator.asked(iin)
    expires = world.clock.now() + timedelta(seconds=92)
    assert await next_end(world) == expires
    await world.clock.advance(92)
    assert states(await operator.queries(first.subject)) == {"person": "waiting"}  # clocks differ by two seconds
    await world.clock.advance(1)
    [seen] = await operator.queries(first.subject)
    assert seen["state"] == "expired" and seen["repeatable"] and seen["used_s"] == 93
    assert await next_end(world) is None
    [limit] = [one for one in (await operator.page(first.subject))["limits"] if one["step"] == "P3"]
    assert (limit["measured_by"], limit["max_s"], limit["used_s"], limit["late"]) == ("gateway-shep", 90, 93, True)
    assert "повторить" in seen["why"]["ru"] and "қайталауға" in seen["why"]["kk"]
    assert (await operator.page(first.subject))["state"] == "data_requested"
    assert (await operator.ask(first.subject)).status_code == 202
    second = await world.shep.next()
    assert second.id != first.id and second.caseseq == 2 and second.data["trail"] == []
    assert second.expirytime == world.clock.now() + timedelta(seconds=90)
    assert await next_end(world) == second.expirytime + timedelta(seconds=2)
    await world.shep.answer(second, person(iin))
    assert await next_end(world) is None
    assert (await operator.page(first.subject))["state"] == "data_checked"
    assert [one["state"] for one in await operator.queries(first.subject)] == ["superseded", "answered"]


async def test_only_the_silent_register_is_asked_again(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    await world.shep.answer(persons, person(iin))
    await world.clock.advance(95)
    await operator.ask(persons.subject)
    again = await world.shep.next()
    assert again.type == attorneys.type and world.shep.arrived.empty()
    await world.shep.answer(again, attorney(iin, representative["iin"]))
    assert (await operator.page(persons.subject))["state"] == "data_checked"


async def test_while_the_registers_have_time_nobody_asks_them_twice(world: Any, operator: Any) -> None:
    [query] = await operator.asked(world.iin())
    await world.clock.advance(30)
    answer = await operator.ask(query.subject)
    assert answer.status_code == 409 and answer.json()["code"] == "query.still_waiting"
    assert answer.json()["left_s"] == 60 and world.shep.arrived.empty()


async def test_a_late_answer_is_recorded_and_not_applied(world: Any, operator: Any) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.clock.advance(95)
    await world.shep.answer(query, person(iin))
    [seen] = await operator.queries(query.subject)
    assert seen["state"] == "late_answer" and seen["used_s"] == 95 and seen["answer"] is None and seen["repeatable"]
    assert (await operator.page(query.subject))["state"] == "data_requested"
    rows = [one for one in await world.journal(query.subject) if one.get("type") == "kz.egov.answer.person.v1"]
    assert [(one["outcome"], one["limit_s"], one["used_s"], one["step"]) for one in rows] == [("late", 90, 95, "P3")]
    last = (await operator.history(query.subject))[-1]
    assert last["event"] == "answer_late" and last["applied"] is False


async def test_a_late_answer_of_no_data_refuses_nobody(world: Any, operator: Any) -> None:
    [query] = await operator.asked(world.iin())
    await world.clock.advance(95)
    await world.shep.answer(query)
    assert (await operator.page(query.subject))["state"] == "data_requested"
    assert world.shep.arrived.empty()


async def test_what_counts_is_when_the_gateway_received_the_answer_not_how_long_our_inbox_was_shut(
    world: Any, operator: Any
) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.clock.advance(10)
    in_time = world.shep.outgoing(world.shep.answering(query, [person(iin)]))
    await world.clock.advance(200)
    await world.shep.send(in_time)
    assert (await operator.page(query.subject))["state"] == "data_checked"
    assert (await operator.queries(query.subject))[0]["used_s"] == 10


async def test_an_answer_in_time_to_a_replaced_question_still_counts_and_the_later_one_is_only_remembered(
    world: Any, operator: Any
) -> None:
    iin = world.iin()
    [first] = await operator.asked(iin)
    await world.clock.advance(50)
    delayed = world.shep.outgoing(world.shep.answering(first, [person(iin)]))
    await world.clock.advance(50)
    await operator.ask(first.subject)
    second = await world.shep.next()
    await world.shep.send(delayed)
    assert (await operator.page(first.subject))["state"] == "data_checked"
    await world.shep.answer(second, person(iin, name="БАСҚА"))
    queries = await operator.queries(first.subject)
    assert [one["state"] for one in queries] == ["answered", "superseded"] and queries[1]["answer"] is None
    assert [one["event"] for one in await operator.history(first.subject)][-1] == "answer_remembered"


@pytest.mark.parametrize(
    ("found", "more", "reason"),
    [
        ("another", {}, "register.another_person"),
        ("two", {}, "register.several_found"),
        ("both", {}, "register.another_person"),
        ("one", {"data": {"result": {**DONE, "code": "00500"}}}, "register.not_processed"),
    ],
)
async def test_an_answer_that_is_no_answer_to_the_question_is_a_technical_error(
    world: Any, operator: Any, found: str, more: dict[str, Any], reason: str
) -> None:
    iin, stranger = world.iin(), world.iin()
    [query] = await operator.asked(iin)
    persons = {
        "another": [person(stranger)],
        "two": [person(iin), person(iin)],
        "both": [person(iin), person(stranger)],
        "one": [person(iin)],
    }
    await world.shep.answer(query, *persons[found], **more)
    [seen] = await operator.queries(query.subject)
    assert (seen["state"], seen["reason"], seen["answer"]) == ("unusable", reason, None) and seen["repeatable"]
    assert (await operator.page(query.subject))["state"] == "data_requested"
    await operator.ask(query.subject)  # at once: nothing has to run out
    await world.shep.answer(await world.shep.next(), person(iin))
    assert (await operator.page(query.subject))["state"] == "data_checked"


@pytest.mark.parametrize("change", [{"registry_number": "№ 2"}, {"date": "2024-01-01"}])
async def test_an_answer_about_another_power_of_attorney_is_a_technical_error(
    world: Any, operator: Any, change: dict[str, Any]
) -> None:
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    await world.shep.answer(persons, person(iin))
    await world.shep.answer(attorneys, {**attorney(iin, representative["iin"]), **change})
    page = await operator.page(persons.subject)
    assert page["state"] == "data_requested"
    assert page["queries"][1]["reason"] == "register.another_attorney"


async def test_a_register_that_answers_twice_changes_nothing_the_second_time(world: Any, operator: Any) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.shep.answer(query, person(iin))
    before = await operator.page(query.subject)
    await world.shep.answer(query)  # another envelope, and now nobody is found
    after = await operator.page(query.subject)
    assert {**after, "progress": None} == {**before, "progress": None} and after["state"] == "data_checked"
    assert world.shep.arrived.empty()


async def test_the_same_answer_delivered_twice_takes_effect_once(world: Any, operator: Any) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    message = await world.shep.answer(query, person(iin))
    before = await operator.history(query.subject)
    await world.shep.send(message)
    assert await operator.history(query.subject) == before and await world.dead() == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"correlation": None}, "query.unknown"),
        ({"correlation": "another-question"}, "query.unknown"),
        ({"source": "enis-mock"}, "case.not_of_source"),
        ({"data": {"persons": "garbage"}}, "data.invalid"),
        ({"data": {"persons": [{"iin": "1"}]}}, "data.invalid"),
    ],
)
async def test_garbage_goes_to_the_dead_letters_and_leaves_the_case_waiting(
    world: Any, operator: Any, more: dict[str, Any], reason: str
) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.shep.answer(query, person(iin), **more)
    assert await world.dead() == [reason]
    assert (await operator.page(query.subject))["queries"][0]["state"] == "waiting"


async def test_an_answer_signed_by_somebody_else_is_not_believed(world: Any, operator: Any) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    forged = world.shep.outgoing(world.shep.answering(query, [person(iin)]), signer="enis-mock")
    await world.shep.send(forged)
    assert await world.dead() == ["signature.not_of_source"]
    assert (await operator.page(query.subject))["state"] == "data_requested"


async def test_a_question_a_gateway_refused_is_shown_with_its_problem_and_takes_the_trail_along_again(
    world: Any, operator: Any
) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.shep.refuse(query, "route.recipient_suspended")
    [seen] = await operator.queries(query.subject)
    assert seen["state"] == "refused" and seen["problem"]["code"] == "route.recipient_suspended"
    assert seen["repeatable"] and "title in ru" in seen["why"]["ru"]
    await operator.ask(query.subject)
    again = await world.shep.next()
    assert [step["step"] for step in again.data["trail"]] == ["P1", "P2"]  # ШЭП has not seen the case yet
    await world.shep.answer(again, person(iin))
    assert (await operator.page(query.subject))["state"] == "data_checked"


async def test_a_refusal_of_a_question_is_believed_from_a_gateway_only(world: Any, operator: Any) -> None:
    [query] = await operator.asked(world.iin())
    await world.shep.refuse(query, source="provider-arm")
    assert await world.dead() == ["case.not_of_source"]


async def test_facts_about_the_person_are_shown_and_refuse_nothing(world: Any, operator: Any) -> None:
    """E2."""
    iin = world.iin()
    [query] = await operator.asked(iin)
    found = person(
        iin,
        birth_date="2012-01-16",
        death_date="2025-12-31",
        citizenship=entry("840", "США", "АҚШ"),
        missing_status={"missing": True, "missing_date": "2024-01-01", "missing_number": "1"},
        capable_status={
            "capable_status": entry("2", "Недееспособен", "Әрекетке қабілетсіз"),
            "capable_date": "2020-01-01",
            "capable_number": "2-1",
            "court": "Атырау қалалық соты",
        },
        reg_address=None,
    )
    await world.shep.answer(query, found)
    page = await operator.page(query.subject)
    assert page["state"] == "data_checked"
    facts = {one["code"]: one for one in page["facts"]}
    assert set(facts) == {"deceased", "underage", "foreign", "missing", "incapable", "no_address"}
    assert facts["foreign"]["ru"].endswith(": США") and facts["foreign"]["kk"].endswith(": АҚШ")


async def test_a_person_without_address_and_with_two_documents_is_an_ordinary_person(world: Any, operator: Any) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    document = {
        "type": entry("002"),
        "number": "012345678",
        "begin_date": "2015-01-01",
        "issue_organisation": entry("002", "МВД РК", "ҚР ІІМ"),
        "status": entry("00"),
    }
    documents = [document, {**document, "type": entry("001"), "number": "N01234567"}]
    await world.shep.answer(query, person(iin, reg_address=None, documents=documents))
    assert (await operator.page(query.subject))["state"] == "data_checked"
    [seen] = await operator.queries(query.subject)
    assert len(seen["answer"]["persons"][0]["documents"]) == 2


async def test_every_look_at_a_persons_data_is_recorded_for_the_senior_of_the_centre(
    world: Any, operator: Any, senior: Any
) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await operator.queries(query.subject)  # nothing there yet: nothing read
    await world.shep.answer(query, person(iin, reg_address=None))
    await operator.queries(query.subject)
    await operator.page(query.subject)
    items = (await senior.get("/v1/reads")).json()["items"]
    assert [(one["operator"], one["case"], one["what"]) for one in items] == [
        (operator.id, query.subject, "facts"),
        (operator.id, query.subject, "answers"),
    ]
    assert (await operator.get("/v1/reads")).json()["code"] == "staff.role_not_enough"
    stranger = await world.hire("stranger", "senior", centre="con-2")
    assert (await stranger.get("/v1/reads")).json()["items"] == []


async def test_asking_twice_under_one_key_asks_once(world: Any, operator: Any) -> None:
    case = await operator.open()
    await operator.consumer(case, world.iin())
    first = await operator.post(f"/v1/cases/{case}/queries", key="one")
    second = await operator.post(f"/v1/cases/{case}/queries", key="one")
    assert first.json() == second.json() and second.headers["idempotency-replayed"] == "true"
    await world.shep.next()
    assert world.shep.arrived.empty()


async def test_nobody_is_asked_before_the_consumer_is_entered(operator: Any) -> None:
    case = await operator.open()
    answer = await operator.ask(case)
    assert answer.status_code == 409 and answer.json()["code"] == "case.wrong_state"


async def test_without_a_register_on_the_bus_nothing_is_sent(world: Any, operator: Any) -> None:
    world.shep.suspended.add("gbd-fl-mock")
    world.shep.version = 2
    await world.app.state.node.refresh()
    case = await operator.open()
    await operator.consumer(case, world.iin())
    answer = await operator.ask(case)
    assert answer.status_code == 503 and answer.json()["code"] == "query.register_unknown"
    assert (await operator.page(case))["state"] == "consumer_entered" and world.shep.arrived.empty()


async def test_asking_anew_begins_a_round_in_which_former_answers_count_for_nothing(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    case = await operator.checked(iin, representative)
    await operator.prepared(case)
    assert (await operator.ask(case)).status_code == 202
    persons, attorneys = await world.shep.next(), await world.shep.next()
    assert (await operator.page(case))["state"] == "data_requested"
    assert persons.data["trail"] == [] and attorneys.data["trail"] == []
    await world.shep.answer(persons, person(iin))
    assert (await operator.page(case))["state"] == "data_requested"
    await world.shep.answer(attorneys, attorney(iin, representative["iin"]))
    assert (await operator.page(case))["state"] == "data_checked"


async def test_another_power_of_attorney_makes_the_answers_about_the_former_one_void(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    renewed = world.represented(representative["iin"], registry_number="№ 2-Ң/2026", date="2026-01-10")
    assert (await operator.consumer(persons.subject, iin, renewed)).json()["state"] == "consumer_entered"
    await world.shep.answer(attorneys)  # not found, of the former one
    assert (await operator.page(persons.subject))["state"] == "consumer_entered"
    assert (await operator.ask(persons.subject)).status_code == 202
    await world.shep.next()
    assert (await world.shep.next()).data["criterion"] == {"registry_number": "№ 2-Ң/2026", "date": "2026-01-10"}
    other = await operator.consumer(persons.subject, world.iin())
    assert other.status_code == 409 and other.json()["code"] == "consumer.fixed"


async def test_either_both_registers_are_asked_or_none(world: Any, operator: Any) -> None:
    world.shep.suspended.add("enis-mock")
    world.shep.version = 2
    await world.app.state.node.refresh()
    case = await operator.open()
    await operator.consumer(case, world.iin(), world.represented())
    assert (await operator.ask(case)).json()["code"] == "query.register_unknown"
    assert (await operator.page(case))["queries"] == [] and world.shep.arrived.empty()


async def test_facts_of_a_former_round_are_not_shown_while_the_registers_are_asked_anew(
    world: Any, operator: Any
) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.shep.answer(query, person(iin, reg_address=None))
    assert (await operator.page(query.subject))["facts"]
    await operator.ask(query.subject)
    assert (await operator.page(query.subject))["facts"] == []
    await world.shep.answer(await world.shep.next(), person(iin))
    assert (await operator.page(query.subject))["facts"] == []


async def test_a_refusal_of_a_question_that_was_answered_is_only_remembered(world: Any, operator: Any) -> None:
    iin = world.iin()
    [query] = await operator.asked(iin)
    await world.shep.answer(query, person(iin))
    await world.shep.refuse(query)
    page = await operator.page(query.subject)
    assert page["state"] == "data_checked" and page["queries"][0]["state"] == "answered"
    rows = [one for one in await world.journal(query.subject) if one.get("type") == "kz.egov.envelope.refused.v1"]
    assert [one["outcome"] for one in rows] == ["remembered"]


async def test_a_revoked_power_of_attorney_shows_in_what_the_operator_reads(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    await world.shep.answer(attorneys, attorney(iin, representative["iin"], revoke_date="2026-01-01"))
    [_, seen] = await operator.queries(persons.subject)
    assert seen["state"] == "answered" and seen["why"]["ru"] == "Ответ получен: Доверенность отменена"
    assert seen["why"]["kk"] == "Жауап алынды: Сенімхаттың күші жойылған"
    assert (await operator.page(persons.subject))["state"] == "data_requested"  # the person register still has time

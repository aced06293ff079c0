"""Questions to the person register: asked through both gateways, answered in time, late, wrongly, twice or never."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.envelope import Envelope
from egovkit.journal import JournalRow, read_heads, read_rows, verify_rows
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import BODIES
from egovlaw.identifiers import synthetic_iin
from provider_arm.store import own
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service

NO_CASE = "019bbfcf-6a00-72f9-861c-9561d6329b0b"


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


async def journal(arm: Arm, case: str, kind: str = "envelope") -> list[JournalRow]:
    async with arm.ws.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    return [row for row in rows if row.kind == kind]


async def next_end(arm: Arm) -> datetime | None:
    """Where the sandbox's clock is to stop."""
    async with arm.ws.db.read() as conn:
        return await own.next_end(conn, arm.clock.now())


async def queries(official: Official, case: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await official.get(f"/v1/own-cases/{case}/queries")).json()["items"]
    return items


async def asked(arm: Arm) -> tuple[Official, str, Envelope]:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    await executor.enter(case)
    return executor, case, await executor.ask(case)


def refusal(arm: Arm, query: Envelope, code: str = "time.expired") -> Envelope:
    """A gateway's refusal of a question of ours."""
    words = {
        f"{part}_{lang}": f"{part} {lang}" for part in ("title", "detail", "remedy") for lang in ("ru", "kk", "en")
    }
    said = {
        "code": code,
        "side": "sender",
        "hop": "gateway-shep",
        "clause": "7 3)",
        "status": 409,
        **words,
        "received": "2026-01-15T04:00:00.000Z",
        "expires": None,
        "limit_s": 90,
        "used_s": 95,
    }
    return Envelope(
        id=arm.ids.new(),
        source="gateway-shep",
        type="kz.egov.envelope.refused.v1",
        subject=query.subject,
        time=arm.clock.now(),
        dataschema="urn:egov:schema:envelope.refused.v1",
        recipient="provider-arm",
        regulation=query.regulation,
        channel=query.channel,
        step=query.step,
        region=query.region,
        caseseq=1,
        data={"id": query.id, "sha256": "0" * 64, "type": query.type, "problem": said},
    )


# --- the question ----------------------------------------------------------------------------------------------


async def test_the_question_leaves_by_the_regions_gateway_with_the_way_that_led_to_it(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    assert (query.type, query.step, query.recipient) == ("kz.egov.query.person.v1", "P3", "gbd-fl-mock")
    assert (query.subject, query.channel, query.region, query.caseseq) == (case, "provider", "atyrau", 1)
    assert query.expirytime == arm.clock.now() + timedelta(seconds=90)
    assert query.data["criterion"] == {"iin": arm.applicant}
    assert (query.data["official"], query.data["clause"]) == (executor.id, "7 3)")
    assert query.data["purpose_ru"].startswith("Постановка на учет")
    assert [(step["step"], step["outcome"]) for step in query.data["trail"]] == [("P1", "done"), ("P2", "done")]


async def test_the_official_sees_what_was_asked_and_that_an_answer_is_awaited(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.clock.advance(7)
    [shown] = await queries(executor, case)
    assert shown == {
        "id": query.id,
        "register": "gbd-fl-mock",
        "state": "waiting",
        "found": None,
        "asked_at": "2026-01-15T04:00:00Z",
        "answered_at": None,
        "limit_s": 90,
        "used_s": 7.0,
        "clause": "7 3)",
        "why": {"kk": "Сұрау салу жіберілді, жауап күтілуде", "ru": "Запрос отправлен, ожидается ответ"},
        "problem": None,
    }
    assert (await executor.own(case))["state"] == "data_requested"


async def test_the_question_is_in_our_journal_with_the_acts_limit_and_without_the_person(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    [row] = await journal(arm, case)
    facts = row.facts
    assert (facts["id"], facts["type"], facts["recipient"]) == (query.id, query.type, "gbd-fl-mock")
    assert (facts["step"], facts["clause"], facts["outcome"]) == ("P3", "7 3)", "done")
    assert (facts["state_before"], facts["state_after"]) == ("form_filled", "data_requested")
    assert (facts["limit_s"], facts["used_s"], facts["by"]) == (90.0, None, executor.id)
    assert arm.applicant not in str(row.body)


async def test_nobody_is_asked_about_before_the_consumer_is_entered(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    assert problem(await executor.post(f"/v1/own-cases/{case}/queries")) == (409, "own_case.wrong_state")
    assert arm.sent == []


async def test_while_an_answer_may_come_the_question_is_not_repeated_nor_its_consumer_changed(arm: Arm) -> None:
    executor, case, _ = await asked(arm)
    again = await executor.post(f"/v1/own-cases/{case}/queries")
    assert problem(again) == (409, "own_case.query_pending")
    assert again.json()["limit_s"] == 90
    assert problem(await executor.enter(case, synthetic_iin(2))) == (409, "own_case.query_pending")


async def test_two_clicks_at_once_ask_once(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    await executor.enter(case)
    path = f"/v1/own-cases/{case}/queries"
    answers = await asyncio.gather(*(executor.post(path) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(await queries(executor, case)) == 1


async def test_the_same_key_asks_once(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    await executor.enter(case)
    path = f"/v1/own-cases/{case}/queries"
    first = await executor.post(path, idempotency_key="k1")
    again = await executor.post(path, idempotency_key="k1")
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(await queries(executor, case)) == 1


async def test_without_a_register_on_the_bus_nothing_is_asked_and_the_draft_is_kept(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    await executor.enter(case)
    members = arm.ws.membership.members
    others = tuple(one for one in members.members if one.kind != "person_register")
    arm.ws.membership.members = replace(members, members=others)
    assert problem(await executor.post(f"/v1/own-cases/{case}/queries")) == (503, "own_case.register_absent")
    assert (await executor.own(case))["state"] == "consumer_entered"
    arm.ws.membership.members = members
    assert (await executor.ask(case)).recipient == "gbd-fl-mock"


# --- an answer in time -----------------------------------------------------------------------------------------


async def test_a_person_found_lets_the_form_be_filled(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.clock.advance(7)
    person = arm.somebody(documents=[])
    await arm.answered(query, person)
    own = await executor.own(case)
    assert (own["state"], own["person"], own["facts"]) == ("data_checked", person, [])
    assert [(step["step"], step["outcome"]) for step in own["trail"]][-1] == ("C1", "ok")
    [shown] = own["queries"]
    assert (shown["state"], shown["found"], shown["used_s"]) == ("answered", True, 7.0)
    assert shown["answered_at"] == "2026-01-15T04:00:07Z"


async def test_the_answer_is_in_our_journal_as_applied_with_what_it_used_of_the_limit(arm: Arm) -> None:
    _, case, query = await asked(arm)
    await arm.clock.advance(7)
    answer = arm.answer(query, arm.somebody())
    await arm.deliver(arm.wire(answer, arm.register))
    _, row = await journal(arm, case)
    assert (row.facts["outcome"], row.facts["id"]) == ("applied", answer.id)
    assert (row.facts["limit_s"], row.facts["used_s"]) == (90.0, 7.0)
    assert row.facts["sha256"] == arm.wire(answer, arm.register).sha256
    assert "ҰЛЖАН" not in str(row.body)
    [*_, checked] = await journal(arm, case, "step")
    assert (checked.facts["step"], checked.facts["clause"], checked.facts["outcome"]) == ("C1", "7 4)", "ok")
    async with arm.ws.db.read() as conn:
        assert verify_rows(await read_rows(conn, kit.journal, bodies=BODIES), await read_heads(conn, kit.journal)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"death_date": "2020-01-01"}, "deceased"),
        ({"birth_date": "2015-01-01"}, "underage"),
        ({"citizenship": {"code": "840", "name_ru": "США", "name_kk": "АҚШ"}}, "foreign"),
        ({"missing_status": {"missing": True, "missing_date": "2020-01-01", "missing_number": "1"}}, "missing"),
    ],
)
async def test_what_is_unusual_about_a_person_is_shown_and_refuses_nothing(
    arm: Arm, changes: dict[str, Any], code: str
) -> None:
    executor = await arm.appoint("executor")
    own = await executor.own(await executor.known(**changes))  # E2
    assert [fact["code"] for fact in own["facts"]] == [code]
    assert own["facts"][0]["kk"] and own["facts"][0]["ru"]
    assert own["state"] == "data_checked"


async def test_seeing_what_the_register_said_is_recorded(arm: Arm) -> None:
    executor, head = await arm.appoint("executor"), await arm.appoint("head")
    case = await executor.open_own()
    await executor.enter(case)
    query = await executor.ask(case)
    await executor.own(case)
    assert (await head.get("/v1/reads")).json()["items"] == []
    await arm.answered(query, arm.somebody())
    await queries(executor, case)  # says nothing of the person
    await executor.own(case)
    await arm.clock.advance(1)
    await head.get(f"/v1/own-cases/{case}", reason="жалоба")
    newest, first = (await head.get("/v1/reads", case=case)).json()["items"]
    assert (first["who"]["id"], first["what"], first["why"]) == (executor.id, "answer.person", "own case")
    assert (newest["who"]["id"], newest["why"]) == (head.id, "жалоба")


async def test_no_such_person_ends_the_case_with_a_message_and_without_a_number(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.answered(query)
    own = await executor.own(case)
    assert (own["state"], own["number"], own["person"]) == ("no_data", None, None)
    assert own["message"] == {
        "kk": "Деректерді алу мүмкін емес: ЖТ МДБ-да тұтынушының деректері жоқ",
        "ru": "Невозможно получить данные: данные потребителя в ГБД ФЛ отсутствуют",
    }
    assert (own["queries"][0]["state"], own["queries"][0]["found"]) == ("answered", False)
    assert problem(await executor.get(f"/v1/cases/{case}")) == (404, "provider.case_unknown")


async def test_shep_is_told_of_the_steps_that_ended_the_case(arm: Arm) -> None:
    _, case, query = await asked(arm)
    await arm.answered(query)
    _, report = await arm.outgoing(2)
    assert (report.type, report.step) == ("kz.egov.steps.reported.v1", "P4")
    assert (report.recipient, report.subject, report.caseseq) == ("gateway-shep", case, 2)
    assert report.data["outcome"] == {"step": "P4", "code": "register.no_data"}
    trail = [(step["step"], step["outcome"]) for step in report.data["trail"]]
    assert trail == [("C1", "violation"), ("P4", "done")]
    *_, checked, reported = await journal(arm, case, "step")
    assert (checked.facts["step"], checked.facts["outcome"]) == ("C1", "violation")
    assert (reported.facts["step"], reported.facts["clause"], reported.facts["outcome"]) == ("P4", "7 5)", "done")
    assert (reported.facts["limit_s"], reported.facts["used_s"]) == (15.0, 0.0)
    assert (reported.facts["state_before"], reported.facts["state_after"]) == ("data_checked", "no_data")


async def test_a_case_that_ended_without_data_takes_nothing_more(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.answered(query)
    for answer in (
        await executor.enter(case, synthetic_iin(2)),
        await executor.post(f"/v1/own-cases/{case}/queries"),
        await executor.put(f"/v1/own-cases/{case}/form", {"values": {}}),
        await executor.scan(case),
        await executor.fix(case, executor.employee()),
        await executor.post(f"/v1/own-cases/{case}/abandon"),
    ):
        assert problem(answer) == (409, "own_case.wrong_state")


# --- E1: silent, late, wrong -----------------------------------------------------------------------------------


async def test_a_silent_register_is_no_refusal_and_may_be_asked_again(arm: Arm) -> None:
    executor, case, first = await asked(arm)
    expires = arm.clock.now() + timedelta(seconds=92)
    assert await next_end(arm) == expires
    await arm.clock.advance(93)
    assert await next_end(arm) is None
    [shown] = await queries(executor, case)
    assert (shown["state"], shown["used_s"]) == ("expired", 90.0)
    assert "повторить" in shown["why"]["ru"] and "қайталау" in shown["why"]["kk"]
    second = await executor.ask(case)
    assert (second.caseseq, second.data["trail"]) == (2, [])  # ШЭП stands on this step already
    assert second.id != first.id
    assert await next_end(arm) == expires + timedelta(seconds=93)
    await arm.answered(second, arm.somebody())
    assert await next_end(arm) is None
    assert (await executor.own(case))["state"] == "data_checked"
    assert [one["state"] for one in await queries(executor, case)] == ["expired", "answered"]


async def test_a_late_answer_is_recorded_and_not_applied(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.clock.advance(93)
    await arm.answered(query, arm.somebody())
    own = await executor.own(case)
    assert (own["state"], own["person"]) == ("data_requested", None)
    assert (own["queries"][0]["state"], own["queries"][0]["used_s"]) == ("late_answer", 93.0)
    _, row = await journal(arm, case)
    assert (row.facts["outcome"], row.facts["limit_s"], row.facts["used_s"]) == ("late", 90.0, 93.0)


async def test_a_late_no_is_no_refusal_either(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.clock.advance(93)
    await arm.answered(query)
    assert (await executor.own(case))["state"] == "data_requested"
    assert len(arm.sent) == 1


async def test_clocks_may_differ_by_two_seconds(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.clock.advance(92)
    await arm.answered(query, arm.somebody())
    assert (await executor.own(case))["state"] == "data_checked"


async def test_an_answer_that_was_late_at_shep_is_late_here(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    answer = arm.answer(query, arm.somebody())
    wire, late = arm.wire(answer, arm.register), arm.clock.now() + timedelta(seconds=95)
    said = Receipt(answer.id, wire.sha256, "gateway-shep", "gateway-shep/1", 1, "0" * 64, late, late)
    await arm.deliver(replace(wire, receipts=(issue_receipt(said, arm.gateway),)))
    assert (await queries(executor, case))[0]["state"] == "late_answer"


async def test_a_late_answer_to_an_old_question_does_not_disturb_the_new_one(arm: Arm) -> None:
    executor, case, first = await asked(arm)
    await arm.clock.advance(93)
    second = await executor.ask(case)
    await arm.answered(first)  # "no such person", too late
    assert [one["state"] for one in await queries(executor, case)] == ["late_answer", "waiting"]
    await arm.answered(second, arm.somebody())
    assert (await executor.own(case))["state"] == "data_checked"


@pytest.mark.parametrize("garbage", ["another", "two", "failed"])
async def test_an_answer_of_no_use_is_no_refusal_and_may_be_asked_again(arm: Arm, garbage: str) -> None:
    executor, case, query = await asked(arm)
    other = arm.somebody(synthetic_iin(2))
    data = arm.answer(query, *{"another": [other], "two": [arm.somebody(), other], "failed": []}[garbage]).data
    if garbage == "failed":
        data["result"] = {"code": "00099", "name_ru": "Ошибка", "name_kk": "Қате"}
    await arm.answered(query, data=data)
    own = await executor.own(case)
    assert (own["state"], own["person"], own["queries"][0]["state"]) == ("data_requested", None, "unusable")
    assert (await journal(arm, case))[-1].facts["outcome"] == "unusable"
    await arm.answered(await executor.ask(case), arm.somebody())
    assert (await executor.own(case))["state"] == "data_checked"


async def test_an_answer_without_form_is_a_dead_letter_and_the_question_expires(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.answered(query, data={"persons": "garbage"})
    assert await arm.dead() == ["data.invalid"]
    await arm.clock.advance(93)
    assert (await queries(executor, case))[0]["state"] == "expired"


@pytest.mark.parametrize("changes", [{"correlationid": None}, {"correlationid": "another"}, {"subject": NO_CASE}])
async def test_an_answer_to_nothing_we_asked_is_a_dead_letter(arm: Arm, changes: dict[str, Any]) -> None:
    executor, case, query = await asked(arm)
    await arm.answered(query, arm.somebody(), **changes)
    assert await arm.dead() == ["order.answer_unasked"]
    assert (await executor.own(case))["state"] == "data_requested"


async def test_an_answer_of_a_system_that_was_not_asked_is_a_dead_letter(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    foreign = arm.answer(query, arm.somebody(), source="con-arm")
    await arm.deliver(arm.wire(foreign, arm.centre))
    assert await arm.dead() == ["order.answer_unasked"]
    assert (await executor.own(case))["state"] == "data_requested"


async def test_an_answer_signed_by_another_system_is_a_dead_letter(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.deliver(arm.wire(arm.answer(query, arm.somebody()), arm.centre))
    assert await arm.dead() == ["signature.not_of_source"]
    assert (await executor.own(case))["state"] == "data_requested"


async def test_the_same_answer_again_changes_nothing(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    wire = arm.wire(arm.answer(query, arm.somebody()), arm.register)
    await arm.deliver(wire, wire)
    before = await executor.own(case)
    await arm.deliver(wire)
    assert await executor.own(case) == before
    assert len(await journal(arm, case)) == 2
    assert arm.letters == []


async def test_of_two_different_answers_the_first_counts(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.answered(query, arm.somebody())
    await arm.answered(query)
    assert await arm.dead() == ["order.already_answered"]
    assert (await executor.own(case))["state"] == "data_checked"


async def test_an_answer_about_a_draft_given_up_is_only_remembered(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await executor.post(f"/v1/own-cases/{case}/abandon")
    await arm.answered(query)
    assert (await executor.own(case))["state"] == "abandoned"
    assert (await journal(arm, case))[-1].facts["outcome"] == "remembered"
    assert len(arm.sent) == 1


# --- gateways --------------------------------------------------------------------------------------------------


async def test_a_question_a_gateway_refused_is_shown_with_its_problem_and_goes_its_whole_way_again(arm: Arm) -> None:
    executor, case, query = await asked(arm)
    await arm.deliver(arm.wire(refusal(arm, query), arm.gateway))
    [shown] = await queries(executor, case)
    assert (shown["state"], shown["used_s"], shown["answered_at"]) == ("refused", None, None)
    assert (shown["problem"]["code"], shown["problem"]["clause"]) == ("time.expired", "7 3)")
    assert "title ru" in shown["why"]["ru"] and "title kk" in shown["why"]["kk"]
    again = await executor.ask(case)
    assert [step["step"] for step in again.data["trail"]] == ["P1", "P2"]
    head = await arm.appoint("head")
    assert (await head.get("/v1/incidents")).json()["items"] == []  # who asked knows, and asks again


async def test_the_same_refusal_again_changes_nothing(arm: Arm) -> None:
    _, case, query = await asked(arm)
    first, second = refusal(arm, query), refusal(arm, query, "order.trail_broken")
    await arm.deliver(*(arm.wire(one, arm.gateway) for one in (first, first, second)))
    rows = await journal(arm, case, "admin")
    assert [(row.facts["action"], row.facts["code"]) for row in rows] == [("query.refused", "time.expired")]


async def test_a_refused_report_of_a_case_without_data_is_an_incident_of_its_provider(arm: Arm) -> None:
    _, case, query = await asked(arm)
    await arm.answered(query)
    _, report = await arm.outgoing(2)
    await arm.deliver(arm.wire(refusal(arm, report, "order.step_not_allowed"), arm.gateway))
    here, elsewhere = await arm.appoint("head"), await arm.appoint("head", provider="another")
    [incident] = (await here.get("/v1/incidents")).json()["items"]
    assert (incident["case"], incident["type"]) == (case, report.type)
    assert (await elsewhere.get("/v1/incidents")).json()["items"] == []


async def test_a_restart_between_question_and_answer_loses_nothing(starting: Any) -> None:
    async with starting() as first:
        executor, case, query = await asked(first)
    async with starting(portal=first.portal, gateway=first.gateway) as again:
        await again.answered(query, again.somebody())
        headers = executor.headers
        own = (await again.http.get(f"/v1/own-cases/{case}", headers=headers)).json()
        assert (own["state"], own["person"]["iin"]) == ("data_checked", again.applicant)


async def test_an_answer_whose_effect_failed_halfway_takes_effect_once_when_it_comes_again(
    arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, case, query = await asked(arm)
    send, failures = arm.ws.outbox.send, ["the power went"]

    async def failing(*arguments: Any) -> Envelope:
        if failures:
            raise RuntimeError(failures.pop())
        return await send(*arguments)

    monkeypatch.setattr(arm.ws.outbox, "send", failing)
    delivered = asyncio.create_task(arm.answered(query))
    async with asyncio.timeout(10):
        while not delivered.done():
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
            if not failures:
                await arm.clock.advance(1)
    await delivered
    assert (await executor.own(case))["state"] == "no_data"
    assert [row.facts["step"] for row in await journal(arm, case, "step")] == ["P1", "P2", "C1", "P4"]
    assert [one.step for one in await arm.outgoing(2)] == ["P3", "P4"]

"""The State Corporation's channel: the visit, the form before the question, the signature in the step that sends, the
refusal that is handed over. Which acts have it, and at which steps, is asked of the catalogue."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.messages import MessageRegister
from egovlaw.catalogue import Channel, Regulation
from egovlaw.flow import CaseProgress, OrderAccepted, TrailStep, judge_order
from egovlaw.loader import load_catalogue
from egovorigin.testing import Provider

from .conftest import person

pytestmark = pytest.mark.service


@functools.cache
def corporation() -> tuple[tuple[Regulation, Channel], ...]:
    return tuple(
        (one, channel)
        for one in read_once(load_catalogue, contracts_dir()).regulations
        for channel in one.channels.values()
        if channel.origin_kind == "centre" and any(item.kind.name == "visit" for item in channel.flow)
    )


def label(channel: Channel, kind: str) -> str:
    return next(item.label for item in channel.flow if item.kind.name == kind)


def asks_attorney(channel: Channel) -> bool:
    return "query.attorney" in channel.by_label[label(channel, "query_registers")].standing


WITH_ATTORNEY = next(one.code for one, channel in corporation() if asks_attorney(channel))
WITHOUT_ATTORNEY = next(one.code for one, channel in corporation() if not asks_attorney(channel))


@pytest.fixture
def channel(world: Any) -> Channel:
    return use(world, WITH_ATTORNEY)


def use(world: Any, code: str) -> Channel:
    """This act for the whole test."""
    regulation, found = next(pair for pair in corporation() if pair[0].code == code)
    world.shep.regulation, world.shep.channel, world.shep.region = code, found.code, regulation.region
    registered, completed = label(found, "register"), label(found, "hand_over")
    told = dict.fromkeys(("case.registered", "case.status", "case.extended", "case.paused", "case.resumed"), registered)
    world.steps = {**told, "case.refused": label(found, "refuse_documents"), "case.completed": completed}
    return found


def kinds(channel: Channel, envelope: Any) -> list[tuple[str, str]]:
    return [(channel.by_label[step["step"]].kind.name, step["outcome"]) for step in envelope.data["trail"]]


def judged(world: Any, channel: Channel, envelope: Any, progress: CaseProgress | None) -> CaseProgress:
    read_once(MessageRegister.load, world.app.state.node.contracts).check(envelope.type, envelope.data)
    trail = [TrailStep(one["step"], one["outcome"], world.clock.now()) for one in envelope.data["trail"]]
    verdict = judge_order(channel, progress, envelope.type, envelope.step, trail)
    assert isinstance(verdict, OrderAccepted), verdict
    return verdict.progress


async def served(operator: Any) -> str:
    """A ticket whose person is at the window."""
    ticket = (await operator.post("/v1/tickets", {"regulation": operator.world.shep.regulation})).json()["id"]
    for step in ("call", "start"):
        assert (await operator.post(f"/v1/tickets/{ticket}/{step}")).status_code == 200
    return str(ticket)


async def handed(operator: Any, case: str, iin: str) -> Any:
    prepared = await operator.record(case, "applicant", iin)
    assert prepared.status_code == 200, prepared.text
    await operator.world.clock.advance(30)
    document = base64.b64decode(prepared.json()["document"])
    return await operator.post(f"/v1/cases/{case}/hand-over", {"signature": operator.sign(document)})


async def test_every_act_of_the_corporation_is_offered_with_its_channel(operator: Any) -> None:
    shown = {one["regulation"]: one for one in (await operator.get("/v1/services")).json()["items"]}
    assert len(corporation()) == 10
    for regulation, found in corporation():
        assert shown[regulation.code]["channel"] == found.code and not shown[regulation.code]["intake_only"]
        assert [one["label"] for one in shown[regulation.code]["steps"]] == [item.label for item in found.flow]


@pytest.mark.parametrize("code", [WITHOUT_ATTORNEY, WITH_ATTORNEY])
async def test_the_way_from_the_visit_to_the_sending_is_the_acts(world: Any, operator: Any, code: str) -> None:
    channel = use(world, code)
    ticket, iin = await served(operator), world.iin()
    await world.clock.advance(45)
    await operator.log_in()  # with the papers before him: the visit ends with that
    await world.clock.advance(10)
    case = await operator.open(ticket=ticket)
    await operator.consumer(case, iin)
    assert (await operator.fill(case, {"address": "Орал"})).status_code == 200  # the form belongs to this step
    assert (await operator.attach(case)).status_code == 200
    await world.clock.advance(30)
    assert (await operator.ask(case)).status_code == 202
    query = await world.shep.next()
    assert kinds(channel, query) == [("visit", "done"), ("authenticate", "done"), ("choose_and_fill", "done")]
    here = judged(world, channel, query, None)
    await world.shep.answer(query, person(iin))
    here = CaseProgress(here.position)
    assert (await operator.page(case))["form"] == {"address": "Орал"}
    document = await operator.prepared(case)
    assert json.loads(document)["channel"] == channel.code and json.loads(document)["form"] == {"address": "Орал"}
    await world.clock.advance(20)
    assert (await operator.submit(case, operator.sign(document))).status_code == 202
    envelope = await world.shep.next()
    assert envelope.channel == channel.code and envelope.step == label(channel, "send")
    assert kinds(channel, envelope) == [("check_registers", "ok")]  # no step of attaching and signing
    judged(world, channel, envelope, here)
    rows = {(one.get("step"), one["kind"]): one for one in await world.journal(case)}
    limits = {limit.label: limit.max_s for limit in channel.limits}
    visit, fill = label(channel, "visit"), label(channel, "choose_and_fill")
    assert (rows[visit, "step"]["limit_s"], rows[visit, "step"]["used_s"]) == (limits[visit], 45)
    assert (rows[fill, "step"]["limit_s"], rows[fill, "step"]["used_s"]) == (limits[fill], 30)
    sent = rows[envelope.step, "envelope"]
    assert (sent["limit_s"], sent["used_s"]) == (limits[envelope.step], 20)
    shown = {one["step"]: one for one in (await operator.page(case))["limits"]}
    assert [(shown[one]["measured_by"], shown[one]["used_s"]) for one in (visit, fill, query.step, envelope.step)] == [
        ("con-arm", 45), ("con-arm", 30), ("gateway-shep", 0), ("gateway-shep", 20),
    ]  # fmt: skip
    assert not any(one["late"] for one in shown.values())
    assert (sent["by"], sent["certificate"]) == (operator.id, operator.key.thumbprint)
    assert (envelope.expirytime - envelope.time).total_seconds() == limits[envelope.step] - 20


async def test_a_visit_of_a_shift_that_has_begun_is_measured_and_in_no_trail(world: Any, operator: Any) -> None:
    channel = use(world, WITH_ATTORNEY)
    await world.clock.advance(3600)
    ticket = await served(operator)
    await world.clock.advance(100)
    case = await operator.open(ticket=ticket)
    await operator.consumer(case, world.iin())
    await operator.ask(case)
    assert ("visit", "done") not in kinds(channel, await world.shep.next())
    [row] = [one for one in await world.journal(case) if one.get("action") == "visit.measured"]
    visit = label(channel, "visit")
    assert (row["step"], row["used_s"]) == (visit, 100)
    shown = {one["step"]: one for one in (await operator.page(case))["progress"]}
    assert shown[visit]["used_s"] == 100 and shown[visit]["limit_s"] == row["limit_s"]


async def test_only_a_notarised_attorney_has_the_notaries_register_asked(world: Any, operator: Any) -> None:
    """D13, and A24 for the acts whose flow does not name that register."""
    for code, certified, asked in (
        (WITH_ATTORNEY, "notary", {"attorney", "person"}),
        (WITH_ATTORNEY, "other", {"person"}),
        (WITHOUT_ATTORNEY, "notary", {"person"}),
    ):
        use(world, code)
        odd = {} if certified == "notary" else {"certified": "other", "registry_number": None, "date": None}
        case, representative = await operator.open(), world.represented(**odd)
        assert (await operator.consumer(case, world.iin(), representative)).status_code == 200
        assert (await operator.ask(case)).status_code == 202
        assert {one["register"] for one in await operator.queries(case)} == asked
        for _ in asked:
            await world.shep.next()


async def test_without_data_the_case_ends_as_the_act_says(world: Any, operator: Any, channel: Channel) -> None:
    [query] = await operator.asked(world.iin())
    await world.shep.answer(query)
    report = await world.shep.next()
    assert report.step == label(channel, "report_no_data") and kinds(channel, report) == [
        ("check_registers", "violation")
    ]
    judged(world, channel, report, CaseProgress(query.step))
    assert (await operator.page(query.subject))["state"] == "no_data"


async def test_a_submission_that_was_late_asks_the_registers_anew(world: Any, operator: Any) -> None:
    """The minute of sending begins with the registers' answers, and no repetition gives it back."""
    channel = use(world, WITH_ATTORNEY)
    iin = world.iin()
    envelope = await operator.send(iin)
    await world.shep.refuse(envelope, "time.late")
    assert (await operator.page(envelope.subject))["state"] == "rejected"
    await world.clock.advance(300)
    assert (await operator.ask(envelope.subject)).status_code == 202
    query = await world.shep.next()
    assert query.data["trail"] == []
    await world.shep.answer(query, person(iin))
    document = await operator.prepared(envelope.subject)
    assert (await operator.submit(envelope.subject, operator.sign(document))).status_code == 202
    again = await world.shep.next()
    assert again.expirytime > world.clock.now() and kinds(channel, again) == [("check_registers", "ok")]


async def test_a_refusal_is_handed_over_with_a_record_and_ends_the_case(
    world: Any, operator: Any, channel: Channel
) -> None:
    """D17: the provider's refusal, then the hand-over of it."""
    iin = world.iin()
    envelope = await operator.send(iin)
    provider = Provider(world, envelope.subject)
    await provider.say("case.registered", 1)
    assert (await operator.record(provider.case, "applicant", iin)).json()["code"] == "case.wrong_state"
    await provider.say("case.refused", 2)
    page = await operator.page(provider.case)
    assert page["state"] == "refused" and not page["status"]["ended"] and page["may_hand_over"]
    assert page["status"]["text"]["ru"] == "Отказано, мотивированный ответ ожидает выдачи потребителю"
    assert page["status"]["text"]["kk"].startswith("Бас тартылды")
    assert (await handed(operator, provider.case, iin)).status_code == 202
    told = await world.shep.next()
    assert (told.type, told.step) == ("kz.egov.case.handed_over.v1", label(channel, "hand_over"))
    assert judged(world, channel, told, CaseProgress(label(channel, "refuse_documents"))).ended
    page = await operator.page(provider.case)
    assert page["state"] == "handed_over" and page["status"]["ended"] and not page["may_hand_over"]
    assert page["status"]["text"]["ru"] == "Мотивированный ответ об отказе выдан потребителю"
    [row] = [one for one in await world.journal(provider.case) if one.get("type") == told.type]
    limit = next(one.max_s for one in channel.limits if one.label == told.step)
    assert (row["limit_s"], row["used_s"]) == (limit, 30)  # from the record to its signature
    await world.shep.refuse(told, "signature.unknown_certificate")  # a gateway did not take the record
    assert (await operator.page(provider.case))["state"] == "refused"
    assert (await handed(operator, provider.case, iin)).status_code == 202


async def test_a_result_is_handed_over_within_the_acts_minutes(world: Any, operator: Any, channel: Channel) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    assert (await handed(operator, provider.case, iin)).status_code == 202
    told = await world.shep.next()
    assert judged(world, channel, told, CaseProgress(told.step)).ended
    progress = {one["step"]: one for one in (await operator.page(provider.case))["progress"]}
    limit = next(one.max_s for one in channel.limits if one.label == told.step)
    assert (progress[told.step]["limit_s"], progress[told.step]["used_s"]) == (limit, 30)


async def test_a_negative_result_waits_and_is_handed_over_as_a_reasoned_refusal(world: Any, operator: Any) -> None:
    """D1: what the internal procedure decided may be negative, too."""
    use(world, WITH_ATTORNEY)
    iin = world.iin()
    provider = Provider(world, (await operator.send(iin)).subject)
    await provider.say("case.completed", 1, outcome="negative")
    page = await operator.page(provider.case)
    assert page["state"] == "completed" and page["status"]["outcome"] == "negative"
    assert page["status"]["text"]["ru"] == "Отказано, мотивированный ответ ожидает выдачи потребителю"
    result = (await operator.get(f"/v1/cases/{provider.case}/result")).json()
    assert (result["kind"], result["outcome"]) == ("refusal", "negative") and result["signature"]
    assert (await handed(operator, provider.case, iin)).status_code == 202
    await world.shep.refuse(await world.shep.next(), "signature.unknown_certificate")
    assert (await operator.page(provider.case))["state"] == "completed"


async def test_a_term_is_extended_and_paused_with_its_reason(world: Any, operator: Any, channel: Channel) -> None:
    provider = Provider(world, (await operator.send()).subject)
    await provider.say("case.registered", 1)
    await provider.say("case.extended", 2)
    await provider.say("case.paused", 3)
    page = await operator.page(provider.case)
    assert page["state"] == "paused" and page["term"]["paused"] and page["term"]["until"].startswith("2026-02-01")
    assert page["term"]["change"]["reason_kk"] == "Тексеру керек" and page["term"]["change"]["what"] == "paused"
    await provider.say("case.resumed", 4)
    page = await operator.page(provider.case)
    assert page["state"] == "registered" and not page["term"]["paused"]
    progress = {one["step"]: one for one in page["progress"]}
    assert progress[label(channel, "register")]["outcome"] == "registered"

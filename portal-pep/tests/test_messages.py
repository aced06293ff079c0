"""What comes back by the bus, as the citizen sees and hears it; that each message takes effect once and in any order is
proved in `egovorigin`."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from egovkit.messages import MessageRegister
from egovorigin.testing import NUMBER, b64
from portal_pep.handlers import HANDLERS

pytestmark = pytest.mark.service


def test_every_message_that_may_come_to_an_origin_has_a_handler() -> None:
    from egovkit.contracts import contracts_dir, read_once

    register = read_once(MessageRegister.load, contracts_dir())
    expected = {spec.type for spec in register if {"origin", "portal", "any"} & set(spec.to_kinds)}
    expected -= {"kz.egov.answer.person.v1", "kz.egov.answer.attorney.v1"}  # those are asked at desks
    expected -= {"kz.egov.case.decided.v1"}  # stands only in flows that begin at the provider's own desk
    assert set(HANDLERS) == expected - {"kz.egov.members.updated.v1"}  # the inbox takes that one itself


async def test_the_way_to_a_result_as_the_citizen_sees_it(world: Any, citizen: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.accept(envelope)
    assert (await citizen.page(provider.case))["status"]["code"] == "accepted"
    await provider.say("case.registered", 1)
    page = await citizen.page(provider.case)
    assert page["number"] == NUMBER and page["status"]["code"] == "registered" and page["registered_at"]
    await provider.say("case.status", 2)
    assert (await citizen.page(provider.case))["status"]["owner"]["text_kk"] == "Қаралуда"
    await provider.say("case.completed", 3)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "completed" and page["status"]["ended"] and page["has_result"]
    assert await citizen.notices() == ["accepted", "registered", "status", "completed"]
    done = {one["step"]: one["outcome"] for one in page["progress"] if one["outcome"]}
    assert done == {"P1": "done", "C1": "ok", "P3": "done", "C2": "ok", "P5": "submitted", "P6": "registered",
                    "C3": "ok", "P8": "completed"}  # fmt: skip


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause=("10", "10 абзац 2"))
async def test_the_result_is_the_providers_bytes_with_what_the_portal_found_about_the_signature(
    citizen: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 2)
    result = (await citizen.get(f"/v1/cases/{provider.case}/result")).json()
    assert result["kind"] == "result" and base64.b64decode(result["document"]) == provider.notice
    assert result["content"]["text_kk"] == "Есепке қойылды" and result["reasons"] is None
    judged = result["judged"]
    assert judged["verdict"] == "accepted" and judged["signer"]["certificate"] == provider.official.thumbprint
    assert judged["signer"]["bin"] == "999940000040" and [one["number"] for one in judged["checks"]] == [*range(4, 12)]
    assert judged["document"] == result["sha256"] and judged["revocation"]["source"] in ("ocsp", "crl")


async def test_the_providers_refusal_ends_the_case_with_process_7(citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    await provider.say("case.refused", 2)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "refused" and page["status"]["ended"]
    progress = {one["step"]: one for one in page["progress"]}
    assert progress["P7"]["outcome"] == "refused" and progress["P7"]["clause"] == "6 11)"
    assert progress["C3"]["outcome"] == "violation"
    result = (await citizen.get(f"/v1/cases/{provider.case}/result")).json()
    assert result["kind"] == "refusal" and result["signature"] is None and result["content"]["kind"] == "refusal"
    assert result["reasons"] == [{"code": "documents.incomplete", "text": "Нет копии"}]
    assert (await citizen.notices())[-1] == "refused"


async def test_there_is_no_result_before_the_provider_sends_one(citizen: Any, sent: Any) -> None:
    _, provider = sent
    answer = await citizen.get(f"/v1/cases/{provider.case}/result")
    assert answer.status_code == 404 and answer.json()["code"] == "result.not_ready"


async def test_a_term_is_extended_paused_and_resumed_with_a_notification_each(citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    await provider.say("case.extended", 2)
    page = await citizen.page(provider.case)
    assert page["term"]["until"].startswith("2026-02-01T19:00") and page["status"]["code"] == "registered"
    assert page["term"]["change"] == {
        "what": "extended", "at": provider.now.replace(".000Z", "Z"), "reason_kk": "Тексеру керек",
        "reason_ru": "Нужна проверка",
    }  # fmt: skip
    await provider.say("case.paused", 3)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "paused" and page["term"]["paused"]
    await provider.say("case.resumed", 4)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "registered" and not page["term"]["paused"]
    assert page["term"]["change"]["what"] == "resumed" and page["term"]["until"].startswith("2026-02-08T19:00")
    assert (await citizen.history(provider.case))[-1]["detail"]["until"].startswith("2026-02-08T19:00")
    texts = [one["text"] for one in (await citizen.get("/v1/notifications")).json()["items"]]
    assert any("02.02.2026" in one["ru"] for one in texts)  # the day in Kazakhstan
    assert any("Тексеру керек" in one["kk"] for one in texts)


async def test_what_is_told_twice_or_late_the_applicant_hears_once(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    message = await provider.say("case.status", 2)
    notices = await citizen.notices()
    await world.shep.send(message)
    await provider.say("case.status", 1)
    assert await citizen.notices() == notices == ["registered", "status"]


async def test_a_gateways_refusal_is_shown_with_code_side_clause_and_remedy_and_can_be_cured(
    world: Any, citizen: Any, sent: Any
) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "time.late")
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "gateway_refused" and not page["status"]["ended"] and page["may_prepare"]
    problem = page["problem"]
    assert (problem["code"], problem["side"], problem["clause"], problem["hop"]) == (
        "time.late", "sender", "6 8)", "gateway-shep",
    )  # fmt: skip
    assert problem["remedy_kk"] == "remedy in kk" and problem["may_send_again"] is True and problem["used_s"] == 75.5
    assert await citizen.notices() == ["gateway_refused"]
    answer = await citizen.submit(provider.case, citizen.sign(await citizen.prepared(provider.case)))
    assert answer.status_code == 202
    second = await world.shep.next()
    assert second.subject == envelope.subject and second.caseseq == 2 and second.id != envelope.id
    assert [one["step"] for one in second.data["trail"]] == ["P1", "C1", "P3", "C2"]
    assert (await citizen.page(provider.case))["problem"] is None
    await provider.say("case.completed", 2)
    assert (await citizen.page(provider.case))["status"]["code"] == "completed"


async def test_a_form_may_be_changed_after_a_gateways_refusal(world: Any, citizen: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "envelope.too_large")
    version = (await citizen.page(provider.case))["form_version"]
    assert (await citizen.put_form(provider.case, {"surname": "short"}, version)).status_code == 200
    document = await citizen.prepared(provider.case)
    assert json.loads(document)["form"] == {"surname": "short"}


async def test_a_refusal_no_repetition_can_cure_closes_the_case(world: Any, citizen: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "route.region_mismatch")
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "gateway_closed" and page["status"]["ended"] and not page["may_prepare"]
    assert page["problem"]["may_send_again"] is False
    assert (await citizen.prepare(provider.case)).json()["code"] == "case.wrong_state"


async def test_a_refusal_of_an_earlier_envelope_does_not_touch_the_later_one(
    world: Any, citizen: Any, sent: Any
) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "time.late")
    await citizen.submit(provider.case, citizen.sign(await citizen.prepared(provider.case)))
    await world.shep.next()
    await world.shep.refuse(envelope, "time.late")
    assert (await citizen.page(provider.case))["status"]["code"] == "submitted"


async def test_a_result_whose_signature_does_not_hold_is_shown_to_nobody(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.completed", 2, document=b64(provider.notice + b" "))
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "submitted" and not page["has_result"]
    assert await world.dead() == ["signature.of_other_data"]


async def test_notifications_are_marked_as_read_once_and_by_their_owner(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    (notice,) = (await citizen.get("/v1/notifications", unread=True)).json()["items"]
    assert NUMBER in notice["text"]["ru"] and NUMBER in notice["text"]["kk"] and notice["case"] == provider.case
    stranger = await world.citizen().arrive()
    foreign = await stranger.post(f"/v1/notifications/{notice['id']}/read")
    assert foreign.status_code == 404 and foreign.json()["code"] == "notification.not_found"
    first = (await citizen.post(f"/v1/notifications/{notice['id']}/read")).json()
    await world.clock.advance(10)
    again = (await citizen.post(f"/v1/notifications/{notice['id']}/read")).json()
    assert first["read_at"] == again["read_at"] is not None
    assert (await citizen.get("/v1/notifications", unread=True)).json()["items"] == []
    assert (await stranger.get("/v1/notifications")).json()["items"] == []


async def test_markup_and_patterns_in_a_providers_text_stay_text(citizen: Any, sent: Any) -> None:
    _, provider = sent
    text = "<b>{number}</b> {0.__class__} %s"
    await provider.say("case.status", 1, text_ru=text, text_kk=text)
    notice, _ = (await citizen.get("/v1/notifications")).json()["items"]
    assert notice["text"]["ru"] == text

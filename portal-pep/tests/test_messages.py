"""What comes back by the bus: each message in its turn, twice, out of order, from the wrong side."""

from __future__ import annotations

import base64
import json
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from egovkit.bus import Delivery, Verdict
from egovkit.journal import read_rows
from egovkit.messages import MessageRegister
from egovkit.signatures.cms import sign_cms
from egovkit.testing.journal import BODIES
from egovlaw.identifiers import synthetic_iin
from portal_pep.handlers import HANDLERS
from portal_pep.tables import kit, origin

pytestmark = pytest.mark.service

NUMBER = "26000000001"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def dead(world: Any) -> list[str]:
    """The reasons of the dead letters."""
    reasons: list[str] = []

    async def take(deliveries: list[Delivery]) -> list[Verdict]:
        reasons.extend(one.dead_reason or "" for one in deliveries)
        return [Verdict.ACK] * len(deliveries)

    depth = await world.bus.depth("dead-letters")
    subscription = await world.bus.consume("dead-letters", take)
    while len(reasons) < depth:
        await world.clock.sleep(0)
    await subscription.cancel()
    return reasons


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
    assert result["check"]["intact"] is True and result["check"]["certificate"] == provider.official.thumbprint
    assert result["check"]["bin"] == "999940000040"


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
    assert any("2026-02-02" in one["ru"] for one in texts)  # the day in Kazakhstan
    assert any("Тексеру керек" in one["kk"] for one in texts)


FACTS = [
    "case.registered",
    "case.status",
    "case.extended",
    "case.paused",
    "case.resumed",
    "case.refused",
    "case.completed",
]


@pytest.mark.parametrize("name", FACTS)
async def test_the_same_message_twice_takes_effect_once(world: Any, citizen: Any, sent: Any, name: str) -> None:
    _, provider = sent
    message = await provider.say(name, 1)
    before, notices = await citizen.page(provider.case), await citizen.notices()
    history = await citizen.history(provider.case)
    await world.shep.send(message)
    assert await citizen.page(provider.case) == before and await citizen.notices() == notices
    assert await citizen.history(provider.case) == history


@pytest.mark.parametrize("name", FACTS)
async def test_a_status_older_than_the_known_one_is_remembered_and_not_applied(
    citizen: Any, sent: Any, name: str
) -> None:
    _, provider = sent
    await provider.say("case.paused", 5)
    before, notices = await citizen.page(provider.case), await citizen.notices()
    for version in (5, 4):
        await provider.say(name, version)
    after = await citizen.page(provider.case)
    # A moment nobody has told yet is still learnt, and so is what was used of a limit.
    volatile = {"changed_at": None, "registered_at": None, "limits": None}
    assert {**after, **volatile} == {**before, **volatile}
    assert await citizen.notices() == notices
    last = (await citizen.history(provider.case))[-2:]
    assert [(one["applied"], one["version"]) for one in last] == [(False, 5), (False, 4)]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
async def test_any_order_of_arrival_ends_in_the_same_state(
    world: Any, citizen: Any, sent: Any, order: tuple[int, ...]
) -> None:
    envelope, provider = sent
    data = {"id": envelope.id, "sha256": "0" * 64, "receipt": "r"}
    accept = world.shep.outgoing(
        world.shep.envelope("envelope.accepted", provider.case, data, step="P5", source="gateway-shep")
    )
    messages = [
        accept,
        provider.message("case.registered", 1),
        provider.message("case.status", 2),
        provider.message("case.completed", 3),
    ]
    for index in order:
        await world.shep.send(messages[index])
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "completed" and page["number"] == NUMBER
    assert page["registered_at"] and page["accepted_at"] and page["has_result"]
    assert len([one for one in await citizen.history(provider.case) if one["envelope"]]) >= 4


async def test_a_refused_case_is_not_completed_afterwards(citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.refused", 2)
    await provider.say("case.completed", 3)
    assert (await citizen.page(provider.case))["status"]["code"] == "refused"
    assert (await citizen.get(f"/v1/cases/{provider.case}/result")).json()["kind"] == "refusal"


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


@pytest.mark.parametrize("code", ["order.case_ended", "route.regulation_repealed", "route.region_mismatch"])
async def test_a_refusal_no_repetition_can_cure_closes_the_case(world: Any, citizen: Any, sent: Any, code: str) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, code)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "gateway_closed" and page["status"]["ended"] and not page["may_prepare"]
    assert page["problem"]["may_send_again"] is False
    assert (await citizen.prepare(provider.case)).json()["code"] == "case.wrong_state"


async def test_the_regional_gateway_may_refuse_what_the_national_one_accepted(
    world: Any, citizen: Any, sent: Any
) -> None:
    envelope, provider = sent
    await world.shep.accept(envelope)
    await world.shep.refuse(envelope, "participant.suspended", source="regional-gateway-rshep")
    assert (await citizen.page(provider.case))["status"]["code"] == "gateway_refused"


@pytest.mark.parametrize("twice", [True, False])
async def test_a_refusal_of_an_earlier_envelope_does_not_touch_the_later_one(
    world: Any, citizen: Any, sent: Any, twice: bool
) -> None:
    envelope, provider = sent
    refusal = await world.shep.refuse(envelope, "time.late")
    await citizen.submit(provider.case, citizen.sign(await citizen.prepared(provider.case)))
    await world.shep.next()
    if twice:
        await world.shep.send(refusal)
    else:
        await world.shep.refuse(envelope, "time.late")
    assert (await citizen.page(provider.case))["status"]["code"] == "submitted"


async def test_a_refusal_after_registration_changes_nothing(world: Any, citizen: Any, sent: Any) -> None:
    envelope, provider = sent
    await provider.say("case.registered", 1)
    await world.shep.refuse(envelope, "time.late")
    assert (await citizen.page(provider.case))["status"]["code"] == "registered"
    assert (await citizen.history(provider.case))[-1]["applied"] is False


async def test_copies_are_let_go_when_the_provider_has_spoken_and_not_before(
    world: Any, citizen: Any, provider_of: Any
) -> None:
    case = await citizen.open()
    await citizen.attach(case)
    await citizen.submit(case, citizen.sign(await citizen.prepared(case)))
    envelope = await world.shep.next()

    async def kept() -> list[bool]:
        async with world.app.state.node.db.read() as conn:
            return [row.content is not None for row in await conn.execute(select(origin.attachments))]

    await world.shep.accept(envelope)
    assert await kept() == [True]  # the regional gateway may still refuse
    await provider_of(case).say("case.registered", 1)
    assert await kept() == [False]


async def test_only_the_provider_the_application_went_to_may_speak_of_it(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.completed", 9, source="other-arm")
    assert (await citizen.page(provider.case))["status"]["code"] == "submitted"
    assert await dead(world) == ["case.not_of_source"]


async def test_a_provider_cannot_speak_for_a_gateway(world: Any, citizen: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "time.late", source="provider-arm")
    assert (await citizen.page(provider.case))["status"]["code"] == "submitted"
    assert await dead(world) == ["case.not_of_source"]


async def test_a_message_of_an_unknown_case_goes_to_the_dead_letters(
    world: Any, citizen: Any, provider_of: Any
) -> None:
    stranger = provider_of(world.app.state.node.ids.new())
    await stranger.say("case.registered", 1)
    assert await dead(world) == ["case.not_found"]


async def test_a_message_about_a_draft_is_not_believed(world: Any, citizen: Any, provider_of: Any) -> None:
    case = await citizen.open()
    await provider_of(case).say("case.completed", 1)
    assert (await citizen.page(case))["status"]["code"] == "draft" and await dead(world) == ["case.not_of_source"]


@pytest.mark.parametrize("how", ["other_document", "citizen", "revoked"])
async def test_a_result_whose_signature_does_not_hold_is_shown_to_nobody(
    world: Any, citizen: Any, sent: Any, how: str
) -> None:
    _, provider = sent
    changed: dict[str, Any] = {}
    if how == "other_document":
        changed["document"] = b64(provider.notice + b" ")
    elif how == "citizen":
        auth = world.pki.person(synthetic_iin(901), profile="person_auth")
        changed["signature"] = b64(sign_cms(provider.notice, auth, world.clock.now()))
    else:
        await world.revoke(provider.official)
    await provider.say("case.completed", 2, **changed)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "submitted" and not page["has_result"]
    expected = {"other_document": "signature.of_other_data", "citizen": "certificate.wrong_usage"}
    assert await dead(world) == [expected.get(how, "certificate.revoked")]


async def test_a_forged_message_is_not_believed(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    shep = world.shep
    data, step = provider.data("case.completed", 2)
    forged = shep.outgoing(
        shep.envelope("case.completed", provider.case, data, step=step, source="provider-arm"), signer="other-arm"
    )
    await shep.send(forged)
    assert await dead(world) == ["signature.not_of_source"]
    assert (await citizen.page(provider.case))["status"]["code"] == "submitted"


async def test_data_outside_the_contract_are_refused(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1, number="1")
    assert await dead(world) == ["data.invalid"]


async def test_received_messages_are_journalled_with_the_gateways_word_on_the_limit(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    async with world.app.state.node.db.read() as conn:
        last = (await read_rows(conn, kit.journal, bodies=BODIES, case_id=provider.case))[-1].facts
    assert last["step"] == "P6" and last["clause"] == "6 9)" and (last["limit_s"], last["used_s"]) == (60, 5)
    assert (last["state_before"], last["state_after"], last["source"]) == ("submitted", "registered", "provider-arm")


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

"""What comes back by the bus: each message in its turn, twice, out of order, from the wrong side."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from con_arm.tables import origin

from .conftest import LETTER, NOTICE, NUMBER, Provider

pytestmark = pytest.mark.service

FACTS = [
    "case.registered",
    "case.status",
    "case.extended",
    "case.paused",
    "case.resumed",
    "case.refused",
    "case.completed",
]


@pytest.fixture
async def sent(world: Any, operator: Any) -> Any:
    """An application ШЭП has received: (envelope, provider)."""
    envelope = await operator.send()
    return envelope, Provider(world, envelope.subject)


async def test_the_way_to_a_result_as_the_operator_sees_it(world: Any, operator: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.accept(envelope)
    page = await operator.page(provider.case)
    assert page["state"] == "accepted" and page["receipt"] == "r.e.ceipt"
    await provider.say("case.registered", 1)
    page = await operator.page(provider.case)
    assert page["number"] == NUMBER and page["state"] == "registered" and page["version"] == 1
    await provider.say("case.status", 2)
    assert (await operator.page(provider.case))["status"]["owner"]["text_kk"] == "Қаралуда"
    await provider.say("case.completed", 3)
    page = await operator.page(provider.case)
    assert page["state"] == "completed" and not page["status"]["ended"] and page["may_hand_over"]
    done = {one["step"]: one["outcome"] for one in page["progress"] if one["outcome"]}
    assert done == {"P1": "done", "P2": "done", "P3": "answer_applied", "C1": "ok", "P5": "done", "P6": "submitted",
                    "P7": "registered", "C2": "ok", "P9": "completed"}  # fmt: skip


async def test_the_result_is_the_providers_bytes_with_what_was_found_about_the_signature(
    operator: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 2)
    result = (await operator.get(f"/v1/cases/{provider.case}/result")).json()
    assert result["kind"] == "result" and base64.b64decode(result["document"]) == NOTICE
    assert result["content"]["text"] == "Есепке қойылды" and result["check"]["intact"] is True
    assert result["check"]["certificate"] == provider.official.thumbprint


async def test_the_providers_refusal_ends_the_case_and_may_be_printed(operator: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    await provider.say("case.refused", 2)
    page = await operator.page(provider.case)
    assert page["state"] == "refused" and page["status"]["ended"] and not page["may_hand_over"]
    progress = {one["step"]: one for one in page["progress"]}
    assert progress["P8"]["clause"] == "8 10)" and progress["C2"]["outcome"] == "violation"
    result = (await operator.get(f"/v1/cases/{provider.case}/result")).json()
    assert base64.b64decode(result["document"]) == LETTER and result["signature"] is None
    assert result["reasons"] == [{"code": "documents.incomplete", "text": "Нет копии"}]


async def test_there_is_no_result_before_the_provider_sends_one(operator: Any, sent: Any) -> None:
    _, provider = sent
    answer = await operator.get(f"/v1/cases/{provider.case}/result")
    assert answer.status_code == 404 and answer.json()["code"] == "result.not_ready"


async def test_a_term_is_extended_paused_and_resumed(operator: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    await provider.say("case.extended", 2)
    page = await operator.page(provider.case)
    assert page["term"]["until"].startswith("2026-02-01T19:00") and page["state"] == "registered"
    await provider.say("case.paused", 3)
    assert (await operator.page(provider.case))["state"] == "paused"
    await provider.say("case.resumed", 4)
    page = await operator.page(provider.case)
    assert page["state"] == "registered" and page["term"]["until"].startswith("2026-02-08T19:00")
    last = (await operator.history(provider.case))[-1]
    assert last["event"] == "resumed" and last["detail"]["reason_kk"] == "Тексеру керек"
    assert last["detail"]["until"].startswith("2026-02-08T19:00")


@pytest.mark.parametrize("name", FACTS)
async def test_the_same_message_twice_takes_effect_once(world: Any, operator: Any, sent: Any, name: str) -> None:
    _, provider = sent
    message = await provider.say(name, 1)
    before, history = await operator.page(provider.case), await operator.history(provider.case)
    await world.shep.send(message)
    assert await operator.page(provider.case) == before and await operator.history(provider.case) == history


@pytest.mark.parametrize("notice", ["accepted", "refused"])
async def test_a_gateways_notice_twice_takes_effect_once(world: Any, operator: Any, sent: Any, notice: str) -> None:
    envelope, provider = sent
    data = {"id": envelope.id, "sha256": "0" * 64, "receipt": "r.e.ceipt"}
    made = world.shep.envelope("envelope.accepted", provider.case, data, step="P6", source="gateway-shep")
    message = world.shep.outgoing(made)
    if notice == "accepted":
        await world.shep.send(message)
    else:
        message = await world.shep.refuse(envelope)
    before, history = await operator.page(provider.case), await operator.history(provider.case)
    await world.shep.send(message)
    assert await operator.page(provider.case) == before and await operator.history(provider.case) == history


async def test_an_envelope_with_other_bytes_under_a_known_id_is_refused(world: Any, operator: Any, sent: Any) -> None:
    _, provider = sent
    data, step = provider.data("case.registered", 1)
    first = world.shep.envelope("case.registered", provider.case, data, step=step)
    await world.shep.send(world.shep.outgoing(first))
    other = replace(first, data={**data, "number": "26000000099"})
    await world.shep.send(world.shep.outgoing(other))
    assert await world.dead() == ["replayed_with_other_body"]
    assert (await operator.page(provider.case))["number"] == NUMBER


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
async def test_messages_that_overtake_one_another_lead_to_the_same_end(
    operator: Any, sent: Any, order: tuple[int, ...]
) -> None:
    _, provider = sent
    names = {1: "case.registered", 2: "case.status", 3: "case.completed"}
    for version in order:
        await provider.say(names[version], version)
    page = await operator.page(provider.case)
    assert (page["state"], page["number"], page["version"]) == ("completed", NUMBER, 3)
    assert page["registered_at"] is not None


@pytest.mark.parametrize("name", FACTS)
async def test_a_message_older_than_what_is_known_is_remembered_and_changes_nothing(
    operator: Any, sent: Any, name: str
) -> None:
    _, provider = sent
    await provider.say("case.registered", 5)
    before = await operator.page(provider.case)
    await provider.say(name, 4)
    after = await operator.page(provider.case)
    assert {**after, "changed_at": 0, "progress": 0} == {**before, "changed_at": 0, "progress": 0}
    assert (await operator.history(provider.case))[-1]["applied"] is False


async def test_only_the_provider_the_application_went_to_speaks_of_the_case(
    world: Any, operator: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 1, source="other-arm")
    await provider.say("case.registered", 1, source="gbd-fl-mock")
    assert await world.dead() == ["case.not_of_source"] * 2
    assert (await operator.page(provider.case))["state"] == "submitted"


async def test_a_result_whose_signature_does_not_hold_is_not_shown_to_anybody(
    world: Any, operator: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 1, document=base64.b64encode(b'{"kind":"other"}').decode())
    assert await world.dead() == ["signature.of_other_data"]
    assert (await operator.get(f"/v1/cases/{provider.case}/result")).json()["code"] == "result.not_ready"


async def test_a_message_about_a_case_nobody_knows_goes_to_the_dead_letters(world: Any, operator: Any) -> None:
    await Provider(world, world.app.state.node.ids.new()).say("case.registered", 1)
    assert await world.dead() == ["case.not_found"]


async def test_an_answer_to_an_earlier_envelope_changes_nothing(world: Any, operator: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope)
    await operator.submit(provider.case, operator.sign(await operator.prepared(provider.case)))
    await world.shep.next()
    await world.shep.refuse(envelope)
    assert (await operator.page(provider.case))["state"] == "submitted"


async def test_scans_are_forgotten_once_the_provider_has_them(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    await operator.attach(case)
    await operator.submit(case, operator.sign(await operator.prepared(case)))
    await world.shep.next()
    await Provider(world, case).say("case.registered", 1)
    async with world.app.state.node.db.read() as conn:
        [content] = (await conn.execute(select(origin.attachments.c.content))).scalars()
    assert content is None and len((await operator.page(case))["attachments"]) == 1


async def test_messages_are_journalled_with_what_the_gateway_measured(world: Any, operator: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 2)
    await provider.say("case.status", 1)
    rows = [one for one in await world.journal(provider.case) if one.get("source") == "provider-arm"]
    assert [(one["step"], one["outcome"], one["limit_s"], one["used_s"]) for one in rows] == [
        ("P7", "applied", 90, 5),
        ("P7", "remembered", 90, 5),
    ]
    assert rows[0]["clause"] == "8 8)"


async def test_a_refused_report_of_no_data_leaves_the_case_ended(world: Any, operator: Any) -> None:
    [query] = await operator.asked(world.iin())
    await world.shep.answer(query)
    await world.shep.refuse(await world.shep.next())
    assert (await operator.page(query.subject))["state"] == "no_data"
    assert (await operator.history(query.subject))[-1]["applied"] is False

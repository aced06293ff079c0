"""What comes back by the bus, as the operator sees it; that each message takes effect once and in any order is proved
in `egovorigin`."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from egovorigin.testing import LETTER, NOTICE, NUMBER, Provider

pytestmark = pytest.mark.service


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
    assert result["content"]["text_kk"] == "Есепке қойылды" and result["judged"]["verdict"] == "accepted"
    assert result["judged"]["signer"]["certificate"] == provider.official.thumbprint
    assert result["judged"]["document"] == result["sha256"] and len(result["judged"]["checks"]) == 8


async def page_sent(world: Any, provider: Provider, signer: Any) -> bytes:
    """A result with a page, its bytes being in ШЭП's store."""
    pdf: bytes = await world.signed_page(signer)
    await provider.say("case.registered", 1)
    await provider.say("case.completed", 2, page=world.store_page(provider.case, pdf))
    return pdf


async def test_what_is_printed_at_the_counter_is_the_page_the_official_signed(
    world: Any, operator: Any, sent: Any
) -> None:
    _, provider = sent
    path = f"/v1/cases/{provider.case}/result.pdf"
    assert (await operator.get(path)).json()["code"] == "result.not_ready"
    pdf = await page_sent(world, provider, provider.official)
    first, again = [await operator.get(path) for _ in range(2)]
    assert first.content == again.content == pdf and world.store.fetched == 1
    assert first.headers["content-type"] == "application/pdf"
    assert f'inline; filename="result-{NUMBER}.pdf"' in first.headers["content-disposition"]
    headers = {"authorization": f"Bearer {operator.token}", "if-none-match": first.headers["etag"]}
    assert (await world.http.get(path, headers=headers)).status_code == 304
    stranger = await world.hire("stranger", centre="con-2")
    assert (await stranger.get(path)).json()["code"] == "case.not_found"


async def test_a_page_of_another_official_is_not_printed_and_a_result_may_have_none(
    world: Any, operator: Any, sent: Any
) -> None:
    _, provider = sent
    colleague = world.pki.person(world.iin(), bin_="999940000010", profile="employee_sign")
    await page_sent(world, provider, colleague)
    refused = await operator.get(f"/v1/cases/{provider.case}/result.pdf")
    assert (refused.status_code, refused.json()["code"]) == (502, "result.page_not_believed")
    without = await operator.completed()
    absent = await operator.get(f"/v1/cases/{without.case}/result.pdf")
    assert (absent.status_code, absent.json()["code"]) == (404, "result.page_absent") and absent.json()["remedy"]


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


async def test_a_result_whose_signature_does_not_hold_is_not_shown_to_anybody(
    world: Any, operator: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 1, document=base64.b64encode(b'{"kind":"other"}').decode())
    assert await world.dead() == ["signature.of_other_data"]
    assert (await operator.get(f"/v1/cases/{provider.case}/result")).json()["code"] == "result.not_ready"


async def test_an_answer_to_an_earlier_envelope_changes_nothing(world: Any, operator: Any, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope)
    await operator.submit(provider.case, operator.sign(await operator.prepared(provider.case)))
    await world.shep.next()
    await world.shep.refuse(envelope)
    assert (await operator.page(provider.case))["state"] == "submitted"


async def test_a_refused_report_of_no_data_leaves_the_case_ended(world: Any, operator: Any) -> None:
    [query] = await operator.asked(world.iin())
    await world.shep.answer(query)
    await world.shep.refuse(await world.shep.next())
    assert (await operator.page(query.subject))["state"] == "no_data"
    assert (await operator.history(query.subject))[-1]["applied"] is False

"""What comes back by the bus: each message in its turn, twice, out of order, from the wrong side."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest

from egovkit.signatures.cms import sign_cms
from egovlaw.identifiers import synthetic_iin
from egovorigin.testing import FACTS, LETTER, NOTICE, NUMBER, Provider, b64

from .conftest import State, TinyWorld

pytestmark = pytest.mark.service

FOR_GOOD = ["order.case_ended", "route.regulation_repealed", "route.region_mismatch"]


async def test_the_way_to_a_result(world: TinyWorld, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.accept(envelope)
    case = await world.case(provider.case)
    assert case.state is State.ACCEPTED and case.receipt == "r.e.ceipt" and case.accepted_at == world.clock.now()
    await provider.say("case.registered", 1)
    case = await world.case(provider.case)
    assert (case.state, case.number, case.step, case.owner_version) == (State.REGISTERED, NUMBER, "P6", 1)
    assert case.registered_at is not None
    await provider.say("case.status", 2)
    status = (await world.case(provider.case)).status
    assert status is not None and status["text_kk"] == "Қаралуда" and status["text_ru"] == "На рассмотрении"
    await provider.say("case.completed", 3)
    case = await world.case(provider.case)
    assert (case.state, case.outcome, case.step) == (State.COMPLETED, "positive", "P8")
    assert world.origin.told == [
        ("gateway_accepted", True), ("registered", True), ("status", True), ("completed", True),
    ]  # fmt: skip


async def test_the_result_is_the_providers_bytes_with_what_was_found_about_the_signature(
    world: TinyWorld, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 2)
    result = await world.result(provider.case)
    assert result is not None and (result.kind, result.document, result.reasons) == ("result", NOTICE, None)
    assert result.judged is not None and result.judged["verdict"] == "accepted" and len(result.judged["checks"]) == 8
    signer = result.judged["signer"]
    assert (signer["certificate"], signer["bin"]) == (provider.official.thumbprint, "999940000040")
    [row] = [one for one in await world.journal(provider.case) if one.get("judged")]
    assert row["judged"] == result.judged and row["outcome"] == "applied"


async def test_the_reasoned_answer_of_refusal_is_a_signed_refusal_with_the_reasons_its_document_gives(
    world: TinyWorld, sent: Any
) -> None:
    _, provider = sent
    provider.notice = b'{"kind": "refusal", "reasons": [{"code": "a"}, "b"], "valid_until": "2026-03-01"}'
    await provider.say("case.completed", 2, outcome="negative", variant="refusal")
    result = await world.result(provider.case)
    assert result is not None and (result.kind, result.outcome, result.variant) == ("refusal", "negative", "refusal")
    assert (
        result.reasons == [{"code": "a"}] and result.signature is not None and str(result.valid_until) == "2026-03-01"
    )
    assert (await world.case(provider.case)).state is State.COMPLETED


async def test_a_refusal_keeps_its_letter_and_reasons_and_no_signature(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.refused", 2)
    result = await world.result(provider.case)
    assert result is not None and (result.kind, result.document, result.signature) == ("refusal", LETTER, None)
    assert result.reasons == [{"code": "documents.incomplete", "text": "Нет копии"}]
    case = await world.case(provider.case)
    assert (case.state, case.number, case.outcome) == (State.REFUSED, NUMBER, None)


async def test_the_providers_local_steps_stand_in_the_history(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.refused", 1)
    step, message = await world.history(provider.case)
    assert (step.event, step.step, step.clause) == ("step.violation", "C3", "6 10)")
    assert (message.event, message.step, message.applied) == ("refused", "P7", True)


async def test_a_term_is_extended_paused_and_resumed(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    await provider.say("case.extended", 2)
    case = await world.case(provider.case)
    assert case.state is State.REGISTERED and case.term_until == datetime.fromisoformat("2026-02-01T19:00:00Z")
    assert case.term_change == {
        "what": "extended", "at": provider.now, "reason_kk": "Тексеру керек", "reason_ru": "Нужна проверка",
    }  # fmt: skip
    await provider.say("case.paused", 3)
    assert (await world.case(provider.case)).state is State.PAUSED
    await provider.say("case.status", 4)
    assert (await world.case(provider.case)).state is State.PAUSED  # told things without being resumed
    await provider.say("case.resumed", 5)
    case = await world.case(provider.case)
    assert case.state is State.REGISTERED and case.term_until == datetime.fromisoformat("2026-02-08T19:00:00Z")
    last = (await world.history(provider.case))[-1]
    assert last.detail is not None and last.detail["until"] == "2026-02-08T19:00:00.000Z"


@pytest.mark.parametrize("name", [*FACTS, "envelope.accepted", "envelope.refused"])
async def test_the_same_message_twice_takes_effect_once(world: TinyWorld, sent: Any, name: str) -> None:
    envelope, provider = sent
    if name == "envelope.refused":
        message = await world.shep.refuse(envelope)
    else:
        message = world.shep.acceptance(envelope) if name == "envelope.accepted" else provider.message(name, 1)
        await world.shep.send(message)
    before, history = await world.case(provider.case), await world.history(provider.case)
    assert world.origin.told == [(history[-1].event, True)] and before.state is not State.SUBMITTED
    await world.shep.send(message)
    assert await world.case(provider.case) == before and await world.history(provider.case) == history
    assert len(world.origin.told) == 1


async def test_an_envelope_with_other_bytes_under_a_known_id_is_refused(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    data, step = provider.data("case.registered", 1)
    first = world.shep.envelope("case.registered", provider.case, data, step=step)
    await world.shep.send(world.shep.outgoing(first))
    other = replace(first, data={**data, "number": "26000000099"})
    await world.shep.send(world.shep.outgoing(other))
    assert await world.dead() == ["replayed_with_other_body"]
    assert (await world.case(provider.case)).number == NUMBER


@pytest.mark.parametrize("name", FACTS)
async def test_a_message_not_newer_than_the_known_one_is_remembered_and_not_applied(
    world: TinyWorld, sent: Any, name: str
) -> None:
    _, provider = sent
    await provider.say("case.paused", 5)
    before = await world.case(provider.case)
    for version in (5, 4):
        await provider.say(name, version)
    after = await world.case(provider.case)
    # A moment nobody has told yet is still learnt.
    learnt: dict[str, Any] = {"changed_at": None, "registered_at": None}
    assert replace(after, **learnt) == replace(before, **learnt)
    last = (await world.history(provider.case))[-2:]
    assert [(one.applied, one.version) for one in last] == [(False, 5), (False, 4)]
    assert [applied for _, applied in world.origin.told] == [True, False, False]
    assert await world.result(provider.case) is None


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
async def test_any_order_of_arrival_ends_in_the_same_state(world: TinyWorld, sent: Any, order: tuple[int, ...]) -> None:
    envelope, provider = sent
    messages = [
        world.shep.acceptance(envelope),
        provider.message("case.registered", 1),
        provider.message("case.status", 2),
        provider.message("case.completed", 3),
    ]
    for index in order:
        await world.shep.send(messages[index])
    case = await world.case(provider.case)
    assert (case.state, case.number, case.owner_version) == (State.COMPLETED, NUMBER, 3)
    assert case.registered_at and case.accepted_at and await world.result(provider.case)
    assert len([one for one in await world.history(provider.case) if not one.event.startswith("step.")]) == 4


async def test_a_refused_case_is_not_completed_afterwards(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.refused", 2)
    await provider.say("case.completed", 3)
    result = await world.result(provider.case)
    assert (await world.case(provider.case)).state is State.REFUSED and result is not None and result.kind == "refusal"


async def test_a_gateways_refusal_is_kept_with_code_side_clause_and_remedy(world: TinyWorld, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "time.late")
    case = await world.case(provider.case)
    assert case.state is State.SENT_BACK and case.problem is not None and case.problem["may_send_again"] is True
    assert [case.problem[name] for name in ("code", "side", "clause", "hop", "remedy_kk", "used_s")] == [
        "time.late", "sender", "6 8)", "gateway-shep", "remedy in kk", 75.5,
    ]  # fmt: skip
    last = (await world.history(provider.case))[-1]
    assert last.detail == {"code": "time.late", "hop": "gateway-shep", "clause": "6 8)"}


@pytest.mark.parametrize("code", FOR_GOOD)
async def test_a_refusal_no_repetition_can_cure_closes_the_case(world: TinyWorld, sent: Any, code: str) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, code)
    case = await world.case(provider.case)
    assert case.state is State.CLOSED and case.problem is not None and case.problem["may_send_again"] is False


async def test_the_regional_gateway_may_refuse_what_the_national_one_accepted(world: TinyWorld, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.accept(envelope)
    await world.shep.refuse(envelope, "participant.suspended", source="regional-gateway-rshep")
    assert (await world.case(provider.case)).state is State.SENT_BACK


async def test_an_answer_to_an_earlier_envelope_than_the_last_changes_nothing(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    earlier = world.envelope(provider.case)
    before = await world.case(provider.case)
    await world.shep.refuse(earlier)
    await world.shep.accept(earlier)
    assert await world.case(provider.case) == before
    assert [one.applied for one in await world.history(provider.case)] == [False, False]


async def test_a_refusal_after_registration_changes_nothing(world: TinyWorld, sent: Any) -> None:
    envelope, provider = sent
    await provider.say("case.registered", 1)
    await world.shep.refuse(envelope, "time.late")
    assert (await world.case(provider.case)).state is State.REGISTERED
    assert (await world.history(provider.case))[-1].applied is False


async def test_files_are_let_go_when_the_provider_has_spoken_and_not_before(world: TinyWorld, sent: Any) -> None:
    envelope, provider = sent
    await world.attached(provider.case)
    await world.shep.accept(envelope)
    assert await world.kept(provider.case) == b"sealed"  # the regional gateway may still refuse
    await provider.say("case.registered", 1)
    assert await world.kept(provider.case) is None


async def test_only_the_provider_the_application_went_to_may_speak_of_it(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.completed", 9, source="other-arm")
    assert (await world.case(provider.case)).state is State.SUBMITTED and world.origin.told == []
    assert await world.dead() == ["case.not_of_source"]


async def test_a_provider_cannot_speak_for_a_gateway(world: TinyWorld, sent: Any) -> None:
    envelope, provider = sent
    await world.shep.refuse(envelope, "time.late", source="provider-arm")
    assert (await world.case(provider.case)).state is State.SUBMITTED
    assert await world.dead() == ["case.not_of_source"]


async def test_a_message_of_an_unknown_case_goes_to_the_dead_letters(world: TinyWorld) -> None:
    await Provider(world, world.shep.ids.new()).say("case.registered", 1)
    assert await world.dead() == ["case.not_found"]


async def test_a_message_about_a_draft_is_not_believed(world: TinyWorld) -> None:
    draft = await world.opened()
    await Provider(world, draft.id).say("case.completed", 1)
    assert (await world.case(draft.id)).state is State.DRAFT and await world.dead() == ["case.not_of_source"]


@pytest.mark.parametrize("how", ["other_document", "login", "citizen", "revoked"])
async def test_a_result_whose_signature_does_not_hold_is_shown_to_nobody(world: TinyWorld, sent: Any, how: str) -> None:
    _, provider = sent
    changed: dict[str, Any] = {}
    if how == "other_document":
        changed["document"] = b64(provider.notice + b" ")
    elif how in ("login", "citizen"):
        key = world.pki.person(synthetic_iin(901), profile="person_auth" if how == "login" else "person_sign")
        changed["signature"] = b64(sign_cms(provider.notice, key, world.clock.now()))
    else:
        await world.revoke(provider.official)
    await provider.say("case.completed", 2, **changed)
    assert (await world.case(provider.case)).state is State.SUBMITTED and await world.result(provider.case) is None
    expected = {
        "other_document": "signature.of_other_data",
        "login": "certificate.wrong_usage",
        "citizen": "result.certificate_not_official",
        "revoked": "certificate.revoked",
    }
    assert await world.dead() == [expected[how]]


async def test_messages_are_journalled_with_what_the_gateway_measured(world: TinyWorld, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 2)
    await provider.say("case.status", 1)
    rows = [one for one in await world.journal(provider.case) if one.get("source") == "provider-arm"]
    assert [(one["step"], one["outcome"], one["limit_s"], one["used_s"]) for one in rows] == [
        ("P6", "applied", 90, 5),
        ("P6", "remembered", 90, 5),
    ]
    assert rows[0]["clause"] == "6 9)" and rows[0]["kind"] == "envelope"
    assert (rows[0]["state_before"], rows[0]["state_after"]) == ("submitted", "registered")

"""The result at the counter: to whom, by whom, with which record."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from egovkit.contracts import read_once
from egovkit.messages import MessageRegister
from egovlaw.flow import CaseProgress, OrderAccepted, judge_order
from egovorigin.testing import NOTICE, NUMBER, Provider

pytestmark = pytest.mark.service


async def handed(operator: Any, case: str, capacity: str, iin: str) -> Any:
    prepared = await operator.record(case, capacity, iin)
    assert prepared.status_code == 200, prepared.text
    document = base64.b64decode(prepared.json()["document"])
    return document, await operator.post(f"/v1/cases/{case}/hand-over", {"signature": operator.sign(document)})


async def test_the_result_is_handed_over_with_a_record_the_operator_signs(world: Any, operator: Any) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    await world.clock.advance(30)
    document, answer = await handed(operator, provider.case, "applicant", iin)
    assert answer.status_code == 202 and answer.json()["state"] == "handed_over"
    record = json.loads(document)
    assert record == {
        "kind": "hand-over", "case": provider.case, "regulation": "atyrau-housing-queue", "version": 1,
        "provider": "atyrau", "region": "atyrau", "channel": "centre", "number": NUMBER, "status_version": 2,
        "result_sha256": hashlib.sha256(NOTICE).hexdigest(),
        "received_by": {"capacity": "applicant", "iin": iin}, "operator": {"id": operator.id, "centre": "con-1"},
        "certificate": operator.key.thumbprint, "prepared_at": "2026-01-15T04:00:30.000Z",
    }  # fmt: skip
    envelope = await world.shep.next()
    assert (envelope.type, envelope.recipient, envelope.step) == ("kz.egov.case.handed_over.v1", "provider-arm", "P9")
    assert base64.b64decode(envelope.data["document"]) == document and envelope.data["version"] == 2
    assert envelope.data["received_by"] == {"capacity": "applicant", "iin": iin} and envelope.data["trail"] == []
    read_once(MessageRegister.load, world.app.state.node.contracts).check(envelope.type, envelope.data)
    channel = world.app.state.centre.catalogue.regulation(envelope.regulation).channels["centre"]
    judged = judge_order(channel, CaseProgress("P9"), envelope.type, "P9", ())
    assert isinstance(judged, OrderAccepted) and judged.progress.ended
    page = await operator.page(provider.case)
    assert page["state"] == "handed_over" and page["status"]["ended"] and page["has_result"]
    kept = page["hand_over_judged"]
    assert kept["verdict"] == "accepted" and kept["document"] == hashlib.sha256(document).hexdigest()
    last = (await world.journal(provider.case))[-1]
    assert (last["step"], last["clause"], last["outcome"], last["by"]) == ("P9", "8 11)", "done", operator.id)


async def test_a_representative_receives_what_he_applied_for_and_nobody_else_does(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    provider = await operator.completed(iin, representative)
    for capacity, person in (
        ("applicant", representative["iin"]),
        ("representative", iin),
        ("representative", world.iin()),
        ("applicant", world.iin()),
    ):
        answer = await operator.record(provider.case, capacity, person)
        assert answer.status_code == 403 and answer.json()["code"] == "hand_over.not_a_party"
    _, answer = await handed(operator, provider.case, "representative", representative["iin"])
    assert answer.status_code == 202
    assert (await world.shep.next()).data["received_by"]["capacity"] == "representative"


async def test_without_a_representative_nobody_receives_as_one(world: Any, operator: Any) -> None:
    provider = await operator.completed()
    answer = await operator.record(provider.case, "representative", world.iin())
    assert answer.json()["code"] == "hand_over.not_a_party"


async def test_nothing_is_handed_over_before_there_is_a_result_or_after_it_was(world: Any, operator: Any) -> None:
    iin = world.iin()
    envelope = await operator.send(iin)
    assert (await operator.record(envelope.subject, "applicant", iin)).json()["code"] == "case.wrong_state"
    provider = await operator.completed(iin)
    signed = {"signature": operator.sign(b"nothing")}
    answer = await operator.post(f"/v1/cases/{provider.case}/hand-over", signed)
    assert answer.status_code == 409 and answer.json()["code"] == "hand_over.not_prepared"
    await handed(operator, provider.case, "applicant", iin)
    assert (await operator.record(provider.case, "applicant", iin)).json()["code"] == "case.wrong_state"
    await world.shep.next()


async def test_a_record_that_is_wrongly_signed_hands_nothing_over(world: Any, operator: Any) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    prepared = (await operator.record(provider.case, "applicant", iin)).json()
    document = base64.b64decode(prepared["document"])
    stranger = world.pki.person(world.iin())
    for signature, code in (
        (operator.sign(b"another record"), "signature.of_other_data"),
        (operator.sign(document, stranger), "certificate.of_another_person"),
    ):
        answer = await operator.post(f"/v1/cases/{provider.case}/hand-over", {"signature": signature})
        assert answer.json()["code"] == code
    assert (await operator.page(provider.case))["state"] == "completed"
    refusals = [one for one in await world.journal(provider.case) if one["kind"] == "refusal"]
    assert {one["step"] for one in refusals} == {"P9"}


async def test_the_certificate_is_checked_as_for_the_application(world: Any, operator: Any) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    answer = await operator.record(provider.case, "applicant", iin, world.pki.person(operator.iin))
    assert answer.json()["code"] == "operator.certificate_not_of_centre"
    await world.revoke(operator.key)
    answer = await operator.record(provider.case, "applicant", iin)
    assert (answer.status_code, answer.json()["code"]) == (403, "certificate.revoked")


async def test_handing_over_twice_under_one_key_tells_the_provider_once(world: Any, operator: Any) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    prepared = (await operator.record(provider.case, "applicant", iin)).json()
    body = {"signature": operator.sign(base64.b64decode(prepared["document"]))}
    first = await operator.post(f"/v1/cases/{provider.case}/hand-over", body, "one")
    second = await operator.post(f"/v1/cases/{provider.case}/hand-over", body, "one")
    assert first.json() == second.json()
    await world.shep.next()
    assert world.shep.arrived.empty()


async def test_a_record_a_gateway_refused_is_signed_and_sent_again(world: Any, operator: Any) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    await handed(operator, provider.case, "applicant", iin)
    await world.shep.refuse(await world.shep.next(), "signature.unknown_certificate")
    page = await operator.page(provider.case)
    assert page["state"] == "completed" and page["problem"]["code"] == "signature.unknown_certificate"
    _, answer = await handed(operator, provider.case, "applicant", iin)
    assert answer.status_code == 202
    await world.shep.next()
    assert (await operator.page(provider.case))["problem"] is None


async def test_a_refused_service_has_nothing_to_hand_over(world: Any, operator: Any) -> None:
    iin = world.iin()
    envelope = await operator.send(iin)
    await Provider(world, envelope.subject).say("case.refused", 1)
    assert (await operator.record(envelope.subject, "applicant", iin)).json()["code"] == "case.wrong_state"

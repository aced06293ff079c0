"""Prepare and submit: the bytes, the operator's certificate and signature, the envelope, what comes back of it."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from egovkit.contracts import read_once
from egovkit.errors import EgovError
from egovkit.messages import MessageRegister
from egovkit.signatures.authority import Span
from egovkit.verdict import SignatureVerdict, verdict_of
from egovlaw.flow import CaseProgress, OrderAccepted, TrailStep, judge_order
from egovorigin.testing import PDF

from .conftest import BIN, attorney, person

pytestmark = pytest.mark.service


async def test_prepare_gives_the_exact_bytes_the_provider_will_check(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    case = await operator.checked(iin, representative)
    await operator.fill(case, {"surname": "Әбдіқадыр"}, [{"name": "Анықтама", "kind": "original"}])
    scan = (await operator.attach(case)).json()
    answer = (await operator.prepare(case)).json()
    document = base64.b64decode(answer["document"])
    assert answer["sha256"] == hashlib.sha256(document).hexdigest() and answer["state"] == "prepared"
    assert "Әбдіқадыр".encode() in document  # UTF-8, not escapes: a person may read what he signs
    assert json.loads(document) == {
        "kind": "application", "case": case, "regulation": "atyrau-housing-queue", "version": 1, "provider": "atyrau",
        "region": "atyrau", "channel": "centre", "applicant": {"iin": iin}, "representative": representative | {
            "attorney": representative["attorney"] | {"note": None}
        },
        "form": {"surname": "Әбдіқадыр"}, "papers": [{"name": "Анықтама", "kind": "original", "note": None}],
        "attachments": [scan], "operator": {"id": operator.id, "centre": "con-1"},
        "certificate": operator.key.thumbprint, "prepared_at": "2026-01-15T04:00:00.000Z",
    }  # fmt: skip


async def test_a_sent_application_is_an_envelope_that_the_law_and_the_contract_accept(
    world: Any, operator: Any
) -> None:
    iin = world.iin()
    case = await operator.checked(iin)
    scan = (await operator.attach(case)).json()
    document = await operator.prepared(case)
    signature = operator.sign(document)
    answer = await operator.submit(case, signature)
    envelope = await world.shep.next()
    assert answer.status_code == 202 and answer.json()["envelope"] == envelope.id
    assert (envelope.type, envelope.recipient) == ("kz.egov.case.submitted.v1", "provider-arm")
    assert (envelope.step, envelope.region, envelope.channel, envelope.caseseq) == ("P6", "atyrau", "centre", 2)
    assert base64.b64decode(envelope.data["document"]) == document and envelope.data["signature"] == signature
    assert envelope.data["attachments"] == [scan] and envelope.data["applicant"] == {"iin": iin}
    read_once(MessageRegister.load, world.app.state.node.contracts).check(envelope.type, envelope.data)
    channel = world.app.state.centre.catalogue.regulation(envelope.regulation).channels["centre"]
    trail = [TrailStep(one["step"], one["outcome"], world.clock.now()) for one in envelope.data["trail"]]
    assert [(one.step, one.outcome) for one in trail] == [("C1", "ok"), ("P5", "done")]
    judged = judge_order(channel, CaseProgress("P3"), envelope.type, envelope.step, trail)
    assert isinstance(judged, OrderAccepted)
    assert world.store.kept == {scan["sha256"]: (case, PDF)}


async def test_what_was_known_of_the_operators_signature_is_kept_and_never_found_out_again(
    world: Any, operator: Any
) -> None:
    case = await operator.checked(world.iin())
    document = await operator.prepared(case)
    await operator.submit(case, operator.sign(document))
    told = (await operator.page(case))["judged"]
    assert told["verdict"] == "accepted" and told["document"] == hashlib.sha256(document).hexdigest()
    assert told["signer"]["certificate"] == operator.key.thumbprint and told["signer"]["bin"]
    (sent,) = [one for one in await world.journal(case) if one["kind"] == "envelope" and "judged" in one]
    await world.revoke(operator.key)
    page = await operator.page(case)
    assert page["judged"] == told and page["hand_over_judged"] is None
    assert verdict_of(sent["judged"]) == SignatureVerdict.model_validate(told)


async def test_signing_is_measured_from_the_registers_answer_and_sending_from_the_signature(
    world: Any, operator: Any
) -> None:
    case = await operator.checked(world.iin())
    await world.clock.advance(25)
    document = await operator.prepared(case)
    await world.clock.advance(20)
    await operator.submit(case, operator.sign(document))
    envelope = await world.shep.next()
    assert envelope.expirytime == world.clock.now() + timedelta(seconds=60)
    rows = {one["step"]: one for one in await world.journal(case)}
    assert (rows["P5"]["limit_s"], rows["P5"]["used_s"], rows["P5"]["by"]) == (60, 45, operator.id)
    assert (rows["P6"]["outcome"], rows["P6"]["limit_s"], rows["P6"]["clause"]) == ("done", 60, "8 7)")
    assert rows["P6"]["sha256"] == hashlib.sha256(world.shep.raw[envelope.id]).hexdigest()
    assert (rows["P6"]["state_before"], rows["P6"]["state_after"]) == ("signed", "submitted")


async def test_the_certificate_has_to_be_the_operators_own_as_the_centres_employee(world: Any, operator: Any) -> None:
    """A7: technical errors, no refusal of the service; the case stays as it was."""
    pki, iin = world.pki, operator.iin
    other_bin = pki.person(iin, bin_="991240990066", profile="employee_sign")
    private = pki.person(iin)
    colleague = pki.person(world.iin(), bin_=BIN, profile="employee_sign")
    now = world.clock.now()
    expired = pki.person(
        iin, bin_=BIN, profile="employee_sign", span=Span(now - timedelta(days=9), now - timedelta(days=1))
    )
    revoked = pki.person(iin, bin_=BIN, profile="employee_sign")
    await world.revoke(revoked)
    case = await operator.checked(world.iin())
    for key, code in (
        (other_bin, "operator.certificate_not_of_centre"),
        (private, "operator.certificate_not_of_centre"),
        (colleague, "certificate.of_another_person"),
        (expired, "certificate.expired"),
        (revoked, "certificate.revoked"),
    ):
        answer = await operator.prepare(case, key)
        assert answer.status_code == 403 and answer.json()["code"] == code
    assert (await operator.page(case))["state"] == "data_checked"
    bad = await operator.post(f"/v1/cases/{case}/prepare", {"certificate": "AAAA"})
    assert bad.json()["code"] == "certificate.malformed"


async def test_a_signature_that_does_not_hold_is_journalled_and_changes_nothing(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    document = await operator.prepared(case)
    second = world.pki.person(operator.iin, bin_=BIN, profile="employee_sign")
    stranger = world.pki.person(world.iin(), bin_=BIN, profile="employee_sign")
    for signature, code in (
        (operator.sign(b"something else"), "signature.of_other_data"),
        (operator.sign(document, second), "signature.other_certificate"),
        (operator.sign(document, stranger), "certificate.of_another_person"),
        ("AAAA", "signature.cms_malformed"),
    ):
        answer = await operator.submit(case, signature)
        assert answer.json()["code"] == code
    refusals = [one for one in await world.journal(case) if one["kind"] == "refusal"]
    assert [one["code"] for one in refusals] == [
        "signature.of_other_data",
        "signature.other_certificate",
        "certificate.of_another_person",
        "signature.cms_malformed",
    ]
    assert (await operator.submit(case, operator.sign(document))).status_code == 202
    await world.shep.next()


async def test_a_certificate_revoked_between_the_two_calls_stops_the_sending(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    signature = operator.sign(await operator.prepared(case))
    await world.revoke(operator.key)
    assert (await operator.submit(case, signature)).json()["code"] == "certificate.revoked"
    assert (await operator.page(case))["state"] == "prepared" and world.shep.arrived.empty()


async def test_only_who_prepared_can_sign_what_names_him(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    document = await operator.prepared(case)
    colleague = await world.hire("colleague")
    answer = await colleague.submit(case, operator.sign(document))
    assert answer.json()["code"] == "certificate.of_another_person"
    answer = await colleague.submit(case, colleague.sign(document))
    assert answer.json()["code"] == "signature.other_certificate"


@pytest.mark.parametrize("call", ["prepare", "submit"])
async def test_a_power_of_attorney_that_runs_out_meanwhile_is_asked_about_again(
    world: Any, operator: Any, call: str
) -> None:
    iin, representative = world.iin(), world.represented()
    queries = await operator.asked(iin, representative)
    await world.shep.answer(queries[0], person(iin))
    await world.shep.answer(queries[1], attorney(iin, representative["iin"], valid_to="2026-01-15"))
    case = queries[0].subject
    signature = operator.sign(await operator.prepared(case))
    await world.clock.advance(timedelta(hours=16))  # past midnight in Kazakhstan
    await operator.log_in()
    if call == "prepare":
        answer = await operator.prepare(case)
    else:
        answer = await operator.submit(case, signature)
    assert answer.status_code == 409 and answer.json()["code"] == "attorney.ran_out"
    assert answer.json()["reason"] == "register.attorney_expired" and answer.json()["clause"] == "8 4)"
    assert (await operator.ask(case)).status_code == 202
    persons, attorneys = await world.shep.next(), await world.shep.next()
    await world.shep.answer(persons, person(iin))
    await world.shep.answer(attorneys, attorney(iin, representative["iin"], valid_to="2026-12-31"))
    assert (await operator.submit(case, operator.sign(await operator.prepared(case)))).status_code == 202
    envelope = await world.shep.next()
    assert [one["step"] for one in envelope.data["trail"]] == ["C1", "P5"]


async def test_without_the_attachment_store_nothing_is_sent_and_the_signature_still_counts(
    world: Any, operator: Any
) -> None:
    case = await operator.checked(world.iin())
    await operator.attach(case)
    signature = operator.sign(await operator.prepared(case))
    world.store.failure = EgovError("attachment.store_unavailable")
    assert (await operator.submit(case, signature)).status_code == 503
    world.store.failure = None
    assert (await operator.submit(case, signature)).status_code == 202
    await world.shep.next()


async def test_submitting_twice_under_one_key_sends_once(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    signature = operator.sign(await operator.prepared(case))
    first = await operator.submit(case, signature, "one")
    second = await operator.submit(case, signature, "one")
    assert first.json() == second.json() and second.headers["idempotency-replayed"] == "true"
    assert (await operator.submit(case, signature)).json()["code"] == "case.wrong_state"
    await world.shep.next()
    assert world.shep.arrived.empty()


async def test_a_changed_form_has_to_be_prepared_again(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    signature = operator.sign(await operator.prepared(case))
    await operator.fill(case, {"a": "1"})
    assert (await operator.submit(case, signature)).json()["code"] == "case.wrong_state"


async def test_what_a_gateway_refused_may_be_prepared_and_sent_again(world: Any, operator: Any) -> None:
    envelope = await operator.send()
    await world.shep.refuse(envelope, "time.late")
    page = await operator.page(envelope.subject)
    assert page["state"] == "rejected" and page["problem"]["may_send_again"] and page["editable"]
    document = await operator.prepared(envelope.subject)
    assert (await operator.submit(envelope.subject, operator.sign(document))).status_code == 202
    again = await world.shep.next()
    assert [one["step"] for one in again.data["trail"]] == ["C1", "P5"] and again.caseseq == 3
    await world.shep.accept(again)
    assert (await operator.page(envelope.subject))["state"] == "accepted"


async def test_what_a_gateway_refused_for_good_is_over(world: Any, operator: Any) -> None:
    envelope = await operator.send()
    await world.shep.refuse(envelope, "route.recipient_not_allowed")
    page = await operator.page(envelope.subject)
    assert page["state"] == "gateway_closed" and page["status"]["ended"] and not page["may_prepare"]


async def test_a_provider_that_is_not_on_the_bus_gets_nothing(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    signature = operator.sign(await operator.prepared(case))
    world.shep.suspended.add("provider-arm")
    world.shep.version = 2
    await world.app.state.node.refresh()
    answer = await operator.submit(case, signature)
    assert answer.status_code == 503 and answer.json()["code"] == "provider.not_found"

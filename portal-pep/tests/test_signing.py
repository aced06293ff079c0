"""Prepare and submit: the bytes, the certificate's four refusals (P4), the signature, the envelope."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.contracts import read_once
from egovkit.errors import EgovError
from egovkit.journal import read_rows
from egovkit.messages import MessageRegister
from egovkit.signatures.authority import Span
from egovkit.testing.journal import BODIES
from egovkit.verdict import SignatureVerdict, verdict_of
from egovlaw.flow import OrderAccepted, TrailStep, judge_order
from egovorigin.testing import PDF
from portal_pep.tables import kit

pytestmark = pytest.mark.service


async def journal(world: Any, case: str) -> list[dict[str, Any]]:
    async with world.app.state.node.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    return [{"kind": row.kind, **row.facts} for row in rows]


def trail_of(envelope: Any) -> list[tuple[str, str]]:
    return [(step["step"], step["outcome"]) for step in envelope.data["trail"]]


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 4) абзац 3")
async def test_prepare_gives_the_exact_bytes_to_sign(citizen: Any) -> None:
    case = await citizen.open()
    await citizen.put_form(case, {"surname": "Әбдіқадыр"})
    copy = (await citizen.attach(case)).json()
    answer = await citizen.prepare(case)
    prepared = answer.json()
    document = base64.b64decode(prepared["document"])
    assert prepared["sha256"] == hashlib.sha256(document).hexdigest() and prepared["status"] == "prepared"
    assert "Әбдіқадыр".encode() in document  # UTF-8, not escapes: a person may read what he signs
    body = json.loads(document)
    assert body == {
        "kind": "application", "case": case, "regulation": "atyrau-housing-queue", "version": 1, "provider": "atyrau",
        "region": "atyrau", "channel": "portal", "applicant": {"iin": citizen.iin},
        "form": {"surname": "Әбдіқадыр"}, "attachments": [copy], "certificate": citizen.key.thumbprint,
        "prepared_at": "2026-01-15T04:00:00.000Z",
    }  # fmt: skip


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 6)")
@pytest.mark.law(topic="technical", regulation="atyrau-housing-queue", clause="17 4)")
async def test_a_sent_application_is_an_envelope_that_the_law_and_the_contract_accept(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    copy = (await citizen.attach(case)).json()
    document = await citizen.prepared(case)
    signature = citizen.sign(document)
    answer = await citizen.submit(case, signature)
    envelope = await world.shep.next()
    assert answer.status_code == 202 and answer.json()["envelope"] == envelope.id
    assert envelope.type == "kz.egov.case.submitted.v1" and envelope.recipient == "provider-arm"
    assert (envelope.step, envelope.region, envelope.channel, envelope.caseseq) == ("P5", "atyrau", "portal", 1)
    assert base64.b64decode(envelope.data["document"]) == document and envelope.data["signature"] == signature
    assert envelope.data["attachments"] == [copy] and envelope.data["applicant"] == {"iin": citizen.iin}
    node = world.app.state.node
    read_once(MessageRegister.load, node.contracts).check(envelope.type, envelope.data)
    channel = world.app.state.portal.catalogue.regulation(envelope.regulation).channels["portal"]
    steps = [TrailStep(one["step"], one["outcome"], world.clock.now()) for one in envelope.data["trail"]]
    assert trail_of(envelope) == [("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok")]
    assert isinstance(judge_order(channel, None, envelope.type, envelope.step, steps), OrderAccepted)


async def test_what_was_known_of_the_signature_is_kept_and_never_found_out_again(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    assert (await citizen.page(case))["judged"] is None
    document = await citizen.prepared(case)
    await citizen.submit(case, citizen.sign(document))
    told = (await citizen.page(case))["judged"]
    assert told["verdict"] == "accepted" and told["document"] == hashlib.sha256(document).hexdigest()
    assert told["signer"]["certificate"] == citizen.key.thumbprint and told["revocation"]["source"] == "crl"
    assert [(one["number"], one["code"]) for one in told["checks"]] == [(number, None) for number in range(4, 12)]
    (sent,) = [one for one in await journal(world, case) if one["kind"] == "envelope"]
    await world.revoke(citizen.key, since=world.clock.now() - timedelta(days=1))
    assert (await citizen.page(case))["judged"] == told
    assert verdict_of(sent["judged"]) == SignatureVerdict.model_validate(told)


async def test_a_signature_that_changes_nothing_stands_with_its_facts_in_the_journal(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    await citizen.prepared(case)
    assert (await citizen.submit(case, citizen.sign(b"other bytes"))).status_code == 422
    (refusal,) = [one for one in await journal(world, case) if one["kind"] == "refusal"]
    assert refusal["judged"]["verdict"] == refusal["code"] == "signature.of_other_data"
    assert (await citizen.page(case))["judged"] is None


async def test_the_envelope_expires_when_the_limit_of_signing_and_sending_ends(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    document = await citizen.prepared(case)
    prepared_at = world.clock.now()
    await world.clock.advance(40)
    await citizen.submit(case, citizen.sign(document))
    envelope = await world.shep.next()
    assert envelope.expirytime == prepared_at + timedelta(seconds=60)  # P5, from the certificate's check
    (sent,) = [one for one in await journal(world, case) if one["kind"] == "envelope"]
    assert sent["step"] == "P5" and sent["clause"] == "6 8)" and (sent["limit_s"], sent["used_s"]) == (60, 40)
    assert sent["sha256"] == hashlib.sha256(world.shep.raw[envelope.id]).hexdigest()
    assert (sent["state_before"], sent["state_after"]) == ("certificate_checked", "submitted")


async def test_limits_and_what_was_used_of_them_are_journalled_and_shown(world: Any) -> None:
    citizen = await world.citizen().arrive()
    case = await citizen.open()
    await world.clock.advance(45)
    await citizen.prepared(case)
    steps = {one["step"]: one for one in await journal(world, case)}
    assert (steps["P3"]["limit_s"], steps["P3"]["used_s"]) == (90, 45)
    shown = {one["step"]: one for one in (await citizen.page(case))["progress"]}
    assert shown["P3"]["used_s"] == 45 and shown["P3"]["share"] == 0.5 and shown["P3"]["clause"] == "6 5)"


@pytest.mark.parametrize(("used_s", "late"), [(59.5, False), (75.5, True)])
async def test_the_page_tells_who_measured_how_much_of_which_limit(
    world: Any, citizen: Any, provider_of: Any, used_s: float, late: bool
) -> None:
    envelope = await citizen.send()
    world.shep.used_s = used_s
    provider = provider_of(envelope.subject)
    await provider.say("case.paused", 2)  # a side message ends no limit of the act
    await provider.say("case.registered", 1)  # overtaken, and measured all the same
    limits = {one["step"]: one for one in (await citizen.page(envelope.subject))["limits"]}
    assert list(limits) == ["P1", "P3", "P5", "P6"]
    assert limits["P6"] == {
        "step": "P6", "clause": "Приложение 1, таблица 1, 6", "cls": "fact", "measured_by": "gateway-shep",
        "max_s": 60, "used_s": used_s, "share": round(used_s / 60, 4), "late": late,
    }  # fmt: skip
    assert (limits["P3"]["measured_by"], limits["P3"]["cls"], limits["P3"]["late"]) == ("portal-pep", "citizen", False)


async def test_every_trail_step_stands_in_the_portals_journal(world: Any, citizen: Any) -> None:
    envelope = await citizen.send()
    async with world.app.state.node.db.read() as conn:
        rows = {(row.writer, row.position): row for row in await read_rows(conn, kit.journal, bodies=BODIES)}
    for step in envelope.data["trail"]:
        row = rows[step["writer"], step["position"]]
        assert row.hash == step["hash"] and row.facts["step"] == step["step"] and row.case_id == envelope.subject


async def test_copies_are_at_the_gateway_before_the_envelope_names_them(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    copy = (await citizen.attach(case)).json()
    assert world.store.kept == {}
    await citizen.submit(case, citizen.sign(await citizen.prepared(case)))
    assert world.store.kept == {copy["sha256"]: (case, PDF)}


async def test_without_the_attachment_store_nothing_is_sent_and_the_signature_still_counts(
    world: Any, citizen: Any
) -> None:
    case = await citizen.open()
    await citizen.attach(case)
    signature = citizen.sign(await citizen.prepared(case))
    world.store.failure = EgovError("attachment.store_unavailable")
    answer = await citizen.submit(case, signature)
    assert answer.status_code == 503 and answer.json()["side"] == "gateway" and "retry-after" in answer.headers
    assert (await citizen.page(case))["status"]["code"] == "prepared"
    world.store.failure = None
    assert (await citizen.submit(case, signature)).status_code == 202


@pytest.mark.parametrize(
    "kind", ["expired", "revoked", "of_another_person", "wrong_usage", "not_yet_valid", "untrusted"]
)
async def test_a_certificate_that_cannot_be_confirmed_ends_the_case_with_process_4(world: Any, kind: str) -> None:
    citizen = await world.citizen().arrive()
    now = world.clock.now()
    key = citizen.key
    if kind == "expired":
        key = world.pki.person(citizen.iin, span=Span(now - timedelta(days=400), now - timedelta(days=1)))
    elif kind == "not_yet_valid":
        key = world.pki.person(citizen.iin, span=Span(now + timedelta(days=1), now + timedelta(days=400)))
    elif kind == "wrong_usage":
        key = world.pki.person(citizen.iin, profile="person_auth")
    elif kind == "of_another_person":
        key = world.citizen().key
    elif kind == "untrusted":
        from egovkit.testing.pki import TestPki

        key = TestPki(world.clock).person(citizen.iin)
    else:
        await world.revoke(key)
    case = await citizen.open()
    await citizen.put_form(case, {"surname": "СЫНАҚОВ"})
    answer = await citizen.prepare(case, key)
    problem = answer.json()
    assert problem["code"] == f"certificate.{kind}" and problem["clause"] == "6 7)" and problem["step"] == "P4"
    assert problem["side"] == "sender" and problem["remedy"] and answer.status_code == 403
    report = await world.shep.next()
    assert report.type == "kz.egov.steps.reported.v1" and report.recipient == "gateway-shep" and report.step == "P4"
    assert trail_of(report) == [("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "violation")]
    assert report.data["outcome"] == {"step": "P4", "code": f"certificate.{kind}"} and report.expirytime is None
    page = await citizen.page(case)
    assert page["status"]["code"] == "signature_refused" and page["status"]["ended"] and not page["may_prepare"]
    assert page["problem"]["code"] == f"certificate.{kind}" and page["problem"]["clause"] == "6 7)"
    assert await citizen.notices() == ["signature_refused"]
    channel = world.app.state.portal.catalogue.regulation(report.regulation).channels["portal"]
    steps = [TrailStep(one["step"], one["outcome"], now) for one in report.data["trail"]]
    assert isinstance(judge_order(channel, None, report.type, "P4", steps), OrderAccepted)


async def test_process_4_is_journalled_with_its_clause_and_limit(world: Any, citizen: Any) -> None:
    await world.revoke(citizen.key)
    case = await citizen.open()
    await citizen.prepare(case)
    entries = {one["step"]: one for one in await journal(world, case)}
    assert entries["C2"]["outcome"] == "violation" and entries["C2"]["code"] == "certificate.revoked"
    assert entries["P4"]["kind"] == "envelope" and entries["P4"]["clause"] == "6 7)" and entries["P4"]["limit_s"] == 90
    assert entries["P4"]["outcome"] == "refusal"


async def test_an_ended_case_takes_nothing_more(world: Any, citizen: Any) -> None:
    await world.revoke(citizen.key)
    case = await citizen.open()
    await citizen.prepare(case)
    for answer in [
        await citizen.prepare(case),
        await citizen.put_form(case, {"surname": "x"}),
        await citizen.attach(case),
        await citizen.submit(case, citizen.sign(b"x")),
    ]:
        assert answer.status_code == 409 and answer.json()["code"] == "case.wrong_state"
        assert answer.json()["state"] == "signature_refused"


async def test_the_same_key_repeats_the_refusal_of_process_4_without_reporting_it_twice(
    world: Any, citizen: Any
) -> None:
    await world.revoke(citizen.key)
    case = await citizen.open()
    body = {"certificate": base64.b64encode(citizen.key.certificate.public_bytes(Encoding.DER)).decode()}
    first = await citizen.post(f"/v1/cases/{case}/prepare", body, "p4")
    again = await citizen.post(f"/v1/cases/{case}/prepare", body, "p4")
    assert first.json() == again.json() and again.headers["content-type"] == "application/problem+json"
    await world.shep.next()
    assert world.shep.arrived.empty()


async def test_an_old_revocation_list_is_no_fault_of_the_citizen(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    portal = world.app.state.portal
    portal.trust._crls = {}  # as when НУЦ has been silent past nextUpdate
    answer = await citizen.prepare(case)
    assert answer.status_code == 503 and answer.json()["side"] == "platform"
    assert (await citizen.page(case))["status"]["code"] == "draft"


@pytest.mark.parametrize(
    "certificate", ["", "AAAA", "not base64!", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
async def test_what_is_no_certificate_is_a_mistake_and_no_refusal(citizen: Any, certificate: str) -> None:
    case = await citizen.open()
    answer = await citizen.post(f"/v1/cases/{case}/prepare", {"certificate": certificate})
    assert answer.status_code == 422 and answer.json()["code"] in ("certificate.malformed", "request.invalid")
    assert (await citizen.page(case))["status"]["code"] == "draft"


async def test_a_certificate_may_come_as_pem(citizen: Any) -> None:
    case = await citizen.open()
    pem = citizen.key.certificate.public_bytes(Encoding.PEM).decode()
    assert (await citizen.post(f"/v1/cases/{case}/prepare", {"certificate": pem})).status_code == 200


async def test_changing_a_prepared_application_makes_its_document_void(citizen: Any) -> None:
    case = await citizen.open()
    document = await citizen.prepared(case)
    await citizen.put_form(case, {"surname": "other"})
    assert (await citizen.page(case))["status"]["code"] == "draft"
    answer = await citizen.submit(case, citizen.sign(document))
    assert answer.status_code == 409 and answer.json()["code"] == "case.wrong_state"


async def test_preparing_twice_leaves_one_trail(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    await citizen.prepared(case)
    await citizen.attach(case)
    document = await citizen.prepared(case)
    await citizen.submit(case, citizen.sign(document))
    assert [step for step, _ in trail_of(await world.shep.next())] == ["P1", "C1", "P3", "C2"]


def broken(signature: str) -> str:
    raw = bytearray(base64.b64decode(signature))
    raw[-5] ^= 0x01
    return base64.b64encode(bytes(raw)).decode()


@pytest.mark.parametrize("how", ["flipped", "other_body", "garbage", "empty"])
async def test_a_signature_that_does_not_hold_sends_nothing_and_the_right_one_still_may(
    world: Any, citizen: Any, how: str
) -> None:
    case = await citizen.open()
    document = await citizen.prepared(case)
    good = citizen.sign(document)
    bad = {
        "flipped": broken(good), "other_body": citizen.sign(document + b" "),
        "garbage": base64.b64encode(b"\x30\x03\x02\x01\x01").decode(), "empty": "",
    }[how]  # fmt: skip
    answer = await citizen.submit(case, bad)
    problem = answer.json()
    expected = {"flipped": "signature.invalid", "other_body": "signature.of_other_data"}
    assert 400 <= answer.status_code < 500
    assert problem["code"] == expected.get(how, "signature.cms_malformed") and problem["clause"] == "6 7)"
    assert "…" not in problem["detail"]
    refusals = [one for one in await journal(world, case) if one["kind"] == "refusal"]
    assert [one["code"] for one in refusals] == [problem["code"]] and world.shep.arrived.empty()
    assert (await citizen.submit(case, good)).status_code == 202


async def test_a_signature_that_is_not_base64_is_a_wrong_field(citizen: Any) -> None:
    case = await citizen.open()
    await citizen.prepared(case)
    answer = await citizen.submit(case, "@@@")
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "signature"


async def test_a_signature_may_come_as_pem(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    signature = citizen.sign(await citizen.prepared(case))
    pem = f"-----BEGIN CMS-----\n{signature[:64]}\n{signature[64:]}\n-----END CMS-----\n"
    assert (await citizen.submit(case, pem)).status_code == 202
    assert (await world.shep.next()).data["signature"] == signature


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 5)")
async def test_signing_with_another_certificate_than_the_chosen_one_changes_nothing(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    document = await citizen.prepared(case)
    for key in (world.pki.person(citizen.iin), world.citizen().key):
        answer = await citizen.submit(case, citizen.sign(document, key))
        assert answer.status_code == 422 and answer.json()["code"] == "signature.other_certificate"
    assert (await citizen.page(case))["status"]["code"] == "prepared"


async def test_a_certificate_revoked_between_the_two_calls_ends_the_case_with_process_4(
    world: Any, citizen: Any
) -> None:
    case = await citizen.open()
    signature = citizen.sign(await citizen.prepared(case))
    await world.revoke(citizen.key)
    answer = await citizen.submit(case, signature)
    assert answer.json()["code"] == "certificate.revoked" and answer.json()["clause"] == "6 7)"
    report = await world.shep.next()
    assert report.step == "P4" and trail_of(report)[-1] == ("C2", "violation")
    assert (await citizen.page(case))["status"]["code"] == "signature_refused"


async def test_a_duplicate_submit_is_answered_with_the_first_answer(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    signature = citizen.sign(await citizen.prepared(case))
    first = await citizen.submit(case, signature, "send-once")
    again = await citizen.submit(case, signature, "send-once")
    assert first.status_code == again.status_code == 202 and first.json() == again.json()
    await world.shep.next()
    other_key = await citizen.submit(case, signature, "another-key")
    assert other_key.status_code == 409 and other_key.json()["code"] == "case.wrong_state"
    assert world.shep.arrived.empty()


async def test_a_duplicate_submit_with_another_body_is_refused(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    document = await citizen.prepared(case)
    await citizen.submit(case, citizen.sign(document), "send-once")
    other = await citizen.submit(case, broken(citizen.sign(document)), "send-once")
    assert other.status_code == 422 and other.json()["code"] == "idempotency.key_reused"
    await world.shep.next()
    assert world.shep.arrived.empty()


async def test_an_application_without_a_provider_is_kept_and_can_be_sent_later(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    signature = citizen.sign(await citizen.prepared(case))
    world.shep.suspended.add("provider-arm")
    world.shep.version += 1
    await world.app.state.node.refresh()
    answer = await citizen.submit(case, signature)
    assert answer.status_code == 503 and answer.json()["code"] == "provider.not_found"
    world.shep.suspended.clear()
    world.shep.version += 1
    await world.app.state.node.refresh()
    assert (await citizen.submit(case, signature)).status_code == 202


async def test_the_largest_application_fits_into_an_envelope(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    values = {f"field_{n}": "Ә" * 1000 for n in range(32)}
    assert (await citizen.put_form(case, values)).status_code == 200
    for number in range(50):
        await citizen.attach(case, f"{number:03d}-{'я' * 200}.pdf")
    assert (await citizen.submit(case, citizen.sign(await citizen.prepared(case)))).status_code == 202
    envelope = await world.shep.next()
    assert len(envelope.data["attachments"]) == 50 and len(world.shep.raw[envelope.id]) < 256 * 1024

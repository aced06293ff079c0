"""The provider's own channel from signing to the end: number, check, refusal, result, and ШЭП's judgement of it all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.journal import read_heads, read_rows, verify_rows
from egovkit.messages import MessageRegister
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.documents import DocumentSignatures
from egovkit.testing.journal import BODIES
from egovlaw.flow import START, OrderAccepted, TrailStep, judge_order
from egovlaw.loader import load_catalogue
from egovlaw.routing import Party, judge_route
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service

MISSING = {"code": "documents.missing", "text": "Нет справки о составе семьи"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


def bytes_of(prepared: httpx.Response) -> bytes:
    assert prepared.status_code == 200, prepared.text
    return base64.b64decode(prepared.json()["document"])


async def steps(arm: Arm, case: str) -> list[dict[str, Any]]:
    async with arm.ws.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    return [row.facts for row in rows if row.kind == "step"]


# --- preparing -------------------------------------------------------------------------------------------------


async def test_the_employee_gets_the_exact_bytes_of_the_application(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    values, papers = {"address": "Әлия көшесі, 7-үй"}, [{"name": "Жеке куәлік", "kind": "original", "note": ""}]
    await executor.put(f"/v1/own-cases/{case}/form", {"values": values, "papers": papers})
    scan = (await executor.scan(case)).json()
    prepared = await executor.fix(case, key)
    document = bytes_of(prepared)
    assert prepared.json()["sha256"] == hashlib.sha256(document).hexdigest()
    assert (prepared.json()["state"], prepared.json()["certificate"]) == ("prepared", key.thumbprint)
    name = (await executor.get("/v1/sessions/current")).json()["name"]
    assert json.loads(document) == {
        "kind": "application",
        "case": case,
        "regulation": "atyrau-housing-queue",
        "version": 1,
        "provider": "atyrau",
        "region": "atyrau",
        "channel": "provider",
        "applicant": {"iin": arm.applicant},
        "form": values,
        "papers": papers,
        "attachments": [scan],
        "official": {"name": name, "office": "Тұрғын үй бөлімі"},
        "certificate": key.thumbprint,
        "prepared_at": "2026-01-15T04:00:00.000Z",
    }
    assert executor.iin not in document.decode()


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"profile": "person_sign"}, "own_case.certificate_not_employee"),
        ({"bin_": "999940000020"}, "own_case.other_organisation"),
        ({"bin_": None}, "own_case.other_organisation"),
        ({"profile": "person_auth"}, "certificate.wrong_usage"),
        ({"span": -1}, "certificate.expired"),
        ({"span": 1}, "certificate.not_yet_valid"),
    ],
)
async def test_only_a_good_certificate_of_this_providers_employee_prepares(
    arm: Arm, wanted: dict[str, Any], code: str
) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    if "span" in wanted:
        now, shift = arm.clock.now(), timedelta(days=10 * wanted["span"])
        wanted = {"span": type(arm.pki.span())(now + shift - timedelta(days=1), now + shift + timedelta(days=1))}
    assert problem(await executor.fix(case, executor.employee(**wanted)))[1] == code
    assert (await executor.own(case))["state"] == "data_checked"  # A7: technical, and no end of the case


async def test_the_certificate_of_a_colleague_prepares_nothing(arm: Arm) -> None:
    executor, colleague = await arm.appoint("executor"), await arm.appoint("executor")
    case = await executor.known()
    assert problem(await executor.fix(case, colleague.employee()))[1] == "certificate.of_another_person"


@pytest.mark.parametrize("text", ["not a certificate, and long enough to be one " * 3, "A" * 100, "ы" * 100])
async def test_what_is_no_certificate_is_told_by_its_field(arm: Arm, text: str) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    answer = await executor.post(f"/v1/own-cases/{case}/prepare", {"certificate": text})
    assert problem(answer) == (422, "request.invalid")
    assert answer.json()["errors"][0]["field"] == "certificate"


@pytest.mark.parametrize("change", ["form", "scan", "detach"])
async def test_what_changes_after_preparing_makes_the_document_void(arm: Arm, change: str) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    await executor.scan(case)
    document = bytes_of(await executor.fix(case, key))
    if change == "form":
        await executor.put(f"/v1/own-cases/{case}/form", {"values": {"a": 1}})
    elif change == "scan":
        await executor.scan(case, "another.pdf")
    else:
        await executor.delete(f"/v1/own-cases/{case}/attachments/справка.pdf")
    assert (await executor.own(case))["state"] == "data_checked"
    assert problem(await executor.file(case, document, key)) == (409, "own_case.wrong_state")


async def test_preparing_again_makes_the_first_document_void(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    first = bytes_of(await executor.fix(case, key))
    await arm.clock.advance(1)
    second = bytes_of(await executor.fix(case, key))
    assert problem(await executor.file(case, first, key))[1] == "signature.of_other_data"
    assert (await executor.file(case, second, key)).status_code == 200


# --- signing and registration ----------------------------------------------------------------------------------


async def test_the_signed_application_gets_its_number_at_once(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    registered = await executor.file(case, document, key)
    assert registered.status_code == 200
    assert registered.json() == {
        "id": case,
        "number": "26000000001",
        "state": "registered",
        "version": registered.json()["version"],
        "registered_at": "2026-01-15T04:00:00Z",
    }
    own = await executor.own(case)
    assert (own["state"], own["number"]) == ("registered", "26000000001")
    assert problem(await executor.scan(case)) == (409, "own_case.wrong_state")  # it is no draft any more
    shown = (await executor.get(f"/v1/cases/{case}")).json()
    assert (shown["number"], shown["state"], shown["verified"]) == ("26000000001", "registered", True)
    assert (shown["source"], shown["channel"], shown["attachments"]) == ("provider-arm", "provider", [])
    assert base64.b64decode(shown["document"]) == document
    facts = await DocumentSignatures(arm.pki.trust()).verify(
        document, base64.b64decode(shown["signature"]), arm.clock.now(), executor.iin
    )
    assert facts.refusal is None


async def test_shep_alone_hears_of_the_number_with_the_steps_that_led_to_it(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.filed()
    query, told = await arm.outgoing(2)
    assert (told.type, told.step, told.recipient) == ("kz.egov.case.registered.v1", "P6", "gateway-shep")
    assert (told.subject, told.channel, told.caseseq, told.causationid) == (case, "provider", 2, query.id)
    assert (told.data["number"], told.data["version"]) == ("26000000001", 1)
    assert [(step["step"], step["outcome"]) for step in told.data["trail"]] == [("C1", "ok"), ("P5", "done")]


async def test_signing_and_registration_are_steps_with_the_acts_limits(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    await arm.clock.advance(12)
    await executor.file(case, document, key)
    *_, signed, registered = await steps(arm, case)
    assert (signed["step"], signed["clause"], signed["outcome"]) == ("P5", "7 6)", "done")
    assert (signed["limit_s"], signed["used_s"], signed["by"]) == (15.0, 12.0, executor.id)
    assert signed["document_sha256"] == hashlib.sha256(document).hexdigest()
    assert (registered["step"], registered["clause"], registered["outcome"]) == ("P6", "7 7)", "done")
    assert (registered["limit_s"], registered["used_s"]) == (90.0, 0.0)
    assert (registered["state_before"], registered["state_after"]) == ("signed", "registered")
    async with arm.ws.db.read() as conn:
        assert verify_rows(await read_rows(conn, kit.journal, bodies=BODIES), await read_heads(conn, kit.journal)) == []


async def test_numbers_of_the_desk_and_of_the_portal_are_one_row(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    await arm.submit()
    case = await executor.filed()
    assert (await executor.own(case))["number"] == "26000000002"


async def test_the_scans_are_the_cases_attachments(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    scan = (await executor.scan(case)).json()
    await executor.file(case, bytes_of(await executor.fix(case, key)), key)
    fetched = await executor.get(f"/v1/cases/{case}/attachments/{scan['sha256']}")
    assert (fetched.status_code, fetched.content) == (200, arm.paper)


async def test_a_signature_over_other_bytes_registers_nothing(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    tampered = document.replace(arm.applicant.encode(), arm.next_iin().encode())
    assert problem(await executor.file(case, tampered, key))[1] == "signature.of_other_data"
    assert (await executor.own(case))["state"] == "prepared"
    assert len(arm.sent) == 1


async def test_a_signature_by_another_certificate_than_prepared_registers_nothing(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    document = bytes_of(await executor.fix(case, executor.employee()))
    assert problem(await executor.file(case, document, executor.employee())) == (422, "signature.other_certificate")


async def test_a_certificate_revoked_between_preparing_and_signing_registers_nothing(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    arm.pki.revoke(key.certificate)
    await arm.app.state.node.refresh()
    assert problem(await executor.file(case, document, key))[1] == "certificate.revoked"
    assert (await executor.own(case))["state"] == "prepared"


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("AAAA", "signature.cms_malformed"),
        ("AAAAA", "request.invalid"),
        ("не подпись", "request.invalid"),
        ("A" * 200_000, "request.invalid"),
    ],
)
async def test_what_is_no_signature_registers_nothing(arm: Arm, signature: str, code: str) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    bytes_of(await executor.fix(case, executor.employee()))
    assert problem(await executor.post(f"/v1/own-cases/{case}/submit", {"signature": signature}))[1] == code


async def test_submitting_twice_at_once_registers_once(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    answers = await asyncio.gather(*(executor.file(case, document, key) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert len((await executor.get("/v1/tasks")).json()["items"]) == 1
    assert len(await arm.outgoing(2)) == 2


async def test_submitting_again_with_the_same_key_gives_the_same_number(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    body = {"signature": base64.b64encode(sign_cms(document, key, arm.clock.now())).decode()}
    first = await executor.post(f"/v1/own-cases/{case}/submit", body, idempotency_key="k1")
    again = await executor.post(f"/v1/own-cases/{case}/submit", body, idempotency_key="k1")
    assert (again.status_code, again.json()) == (200, first.json())
    assert problem(await executor.post(f"/v1/own-cases/{case}/submit", body)) == (409, "own_case.wrong_state")


async def test_a_registration_that_failed_gives_number_and_draft_back(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case, key = await executor.known(), executor.employee()
    document = bytes_of(await executor.fix(case, key))
    members = arm.ws.membership.members
    arm.ws.membership.members = type(members)(members.version, tuple(m for m in members.members if not m.is_gateway))
    assert problem(await executor.file(case, document, key)) == (503, "participant.list_unknown")
    arm.ws.membership.members = members
    assert (await executor.own(case))["state"] == "prepared"
    assert (await executor.file(case, document, key)).json()["number"] == "26000000001"
    assert [facts["step"] for facts in await steps(arm, case)] == ["P1", "P2", "C1", "P5", "P6"]


# --- from registration on --------------------------------------------------------------------------------------


async def checked(arm: Arm, *reasons: dict[str, str]) -> tuple[str, Official]:
    official = await arm.appoint("executor", "authorised")
    case = await official.filed()
    assert (await official.take(case)).status_code == 200
    assert (await official.check(case, *reasons)).status_code == 200
    return case, official


async def test_taking_the_task_tells_nobody_since_the_act_has_no_such_message(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.filed()
    taken = await executor.take(case)
    assert taken.json()["state"] == "under_consideration"
    await arm.submit()
    assert [one.type.split(".")[2:4] for one in await arm.outgoing(3)] == [
        ["query", "person"],
        ["case", "registered"],
        ["case", "registered"],
    ]


async def test_violations_refuse_with_a_letter_kept_here(arm: Arm) -> None:
    case, official = await checked(arm, MISSING)
    *_, refused = await arm.outgoing(3)
    assert (refused.type, refused.step, refused.recipient) == ("kz.egov.case.refused.v1", "P7", "gateway-shep")
    assert [(step["step"], step["outcome"]) for step in refused.data["trail"]] == [("C2", "violation")]
    answer = (await official.get(f"/v1/cases/{case}")).json()["answer"]
    assert (answer["kind"], answer["signature"]) == ("refusal", None)
    assert json.loads(base64.b64decode(answer["document"]))["reasons"] == [MISSING]
    last = (await steps(arm, case))[-1]
    assert (last["step"], last["clause"], last["limit_s"]) == ("P7", "7 9)", 90.0)


async def test_the_result_is_issued_and_shown_at_this_desk(arm: Arm) -> None:
    case, official = await checked(arm)
    await arm.clock.advance(10)
    key = official.certificate()
    document = bytes_of(await official.prepare(case, key))
    assert (await official.issue(case, document, key)).json()["state"] == "completed"
    *_, completed = await arm.outgoing(3)
    assert (completed.type, completed.step, completed.recipient) == ("kz.egov.case.completed.v1", "P8", "gateway-shep")
    answer = (await official.get(f"/v1/cases/{case}")).json()["answer"]  # A41: the system delivers
    assert (answer["kind"], base64.b64decode(answer["document"])) == ("result", document)
    last = (await steps(arm, case))[-1]
    assert (last["step"], last["clause"], last["limit_s"], last["used_s"]) == ("P8", "7 10)", 15.0, 10.0)
    trail = [(facts["step"], facts["outcome"]) for facts in await steps(arm, case)]
    assert trail == [
        ("P1", "done"),
        ("P2", "done"),
        ("C1", "ok"),
        ("P5", "done"),
        ("P6", "done"),
        ("C2", "ok"),
        ("P8", "done"),
    ]


async def test_the_history_shows_the_case_from_the_login_on(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.filed()
    items = (await executor.get(f"/v1/cases/{case}/history")).json()["items"]
    assert [(item["step"], item["outcome"]) for item in items] == [
        ("P1", "done"),
        ("P2", "done"),
        ("P3", "done"),
        ("P3", "applied"),
        ("C1", "ok"),
        ("P5", "done"),
        ("P6", "done"),
    ]


# --- what ШЭП will say -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shep:
    """ШЭП's judgement of order and route, by the catalogue, as gateway-shep asks for it."""

    arm: Arm

    def judge(self, envelopes: list[Envelope]) -> list[str]:
        """The states of the case, one envelope after another."""
        catalogue = read_once(load_catalogue, contracts_dir())
        messages = read_once(MessageRegister.load, contracts_dir())
        channel = catalogue.by_code["atyrau-housing-queue"].channels["provider"]
        parties = {
            one.code: Party(one.code, one.kind, one.regions, one.services)
            for one in self.arm.ws.membership.members.members
        }
        progress, states = START, []
        for envelope in envelopes:
            spec = messages.spec(envelope.type)
            refused = judge_route(catalogue, spec, envelope, parties[envelope.source], parties.get(envelope.recipient))
            assert refused is None, refused
            trail = [TrailStep(t["step"], t["outcome"], self.arm.clock.now()) for t in envelope.data["trail"]]
            order = judge_order(channel, progress, envelope.type, envelope.step, trail)
            assert isinstance(order, OrderAccepted), order
            progress = order.progress
            states.append(order.state_after)
        assert progress.ended
        return states


async def test_every_message_of_a_case_with_a_result_is_in_order(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate()
    await official.issue(case, bytes_of(await official.prepare(case, key)), key)
    assert Shep(arm).judge(await arm.outgoing(3)) == ["data_requested", "registered", "completed"]


async def test_every_message_of_a_refused_case_is_in_order(arm: Arm) -> None:
    await checked(arm, MISSING)
    assert Shep(arm).judge(await arm.outgoing(3)) == ["data_requested", "registered", "refused"]


async def test_every_message_of_a_case_without_data_is_in_order_also_after_a_repetition(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    await executor.enter(case)
    await executor.ask(case)
    await arm.clock.advance(93)
    await arm.answered(await executor.ask(case))
    assert Shep(arm).judge(await arm.outgoing(3)) == ["data_requested", "data_requested", "no_data"]


async def test_every_message_is_in_order_when_the_consumer_was_corrected(arm: Arm) -> None:
    official = await arm.appoint("executor", "authorised")
    case, key = await official.known(), official.employee()
    other = arm.next_iin()
    await official.enter(case, other)
    await arm.answered(await official.ask(case), arm.somebody(other))
    await official.file(case, bytes_of(await official.fix(case, key)), key)
    await official.take(case)
    await official.check(case, MISSING)
    states = Shep(arm).judge(await arm.outgoing(4))
    assert states == ["data_requested", "data_requested", "registered", "refused"]

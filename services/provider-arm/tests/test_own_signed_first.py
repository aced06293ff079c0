"""The provider's channel of act 516, cl. 6: papers, form, signature, the check of the certificate, the decision, the
result signed and issued, the hand-over; and ШЭП's judgement of all that it is told."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.journal import read_rows
from egovkit.messages import MessageRegister
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.keys import der
from egovkit.testing.journal import BODIES
from egovlaw.flow import START, OrderAccepted, TrailStep, judge_order
from egovlaw.loader import load_catalogue
from egovlaw.routing import Party, judge_route
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm, Official

    from egovkit.signatures.keys import SigningKey

pytestmark = pytest.mark.service

REGULATION, CHANNEL, REGION = "tayynsha-social-assistance", "provider", "tayynsha"
PAPERS = [{"name": "Өтініш", "kind": "original", "note": ""}]
ADDRESS = "ayshe@example.kz"
NO_RIGHT = {"code": "income.above", "text": "Доход выше черты бедности"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def steps(arm: Arm, case: str) -> list[tuple[str, str, float | None, float | None]]:
    async with arm.ws.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    named = ("step", "outcome", "limit_s", "used_s")
    return [tuple(row.facts[name] for name in named) for row in rows if row.kind == "step"]


async def at_desk(arm: Arm) -> Official:
    return await arm.appoint("executor", "authorised", region=REGION)


async def visited(official: Official, seconds: float = 0) -> str:
    case = str(done(await official.post("/v1/own-cases", {"regulation": REGULATION}))["id"])
    await official.arm.clock.advance(seconds)
    done(await official.put(f"/v1/own-cases/{case}/papers", {"papers": PAPERS}))
    return case


async def filled(official: Official, **values: Any) -> str:
    case = await visited(official)
    done(await official.enter(case))
    done(await official.put(f"/v1/own-cases/{case}/form", {"values": {"email": ADDRESS} | values}))
    return case


async def signed(official: Official, case: str, key: SigningKey) -> httpx.Response:
    prepared = done(await official.fix(case, key))
    return await official.file(case, base64.b64decode(prepared["document"]), key)


async def decided(arm: Arm, *reasons: dict[str, str], **values: Any) -> tuple[str, Official]:
    official = await at_desk(arm)
    case = await filled(official, **values)
    done(await signed(official, case, official.employee()))
    done(await official.take(case))
    done(await official.check(case, *reasons))
    return case, official


async def issued(arm: Arm, *reasons: dict[str, str], **values: Any) -> tuple[str, Official]:
    case, official = await decided(arm, *reasons, **values)
    key = official.certificate()
    document = base64.b64decode(done(await official.prepare(case, key))["document"])
    await arm.clock.advance(20)
    done(await official.issue(case, document, key))
    return case, official


async def given(official: Official, case: str, way: str, **to: str) -> httpx.Response:
    key = official.employee()
    body = {"way": way, "certificate": b64(der(key.certificate)), **to}
    prepared = await official.post(f"/v1/cases/{case}/give-out/prepare", body)
    if prepared.is_error:
        return prepared
    record = base64.b64decode(prepared.json()["document"])
    signature = b64(sign_cms(record, key, official.arm.clock.now()))
    return await official.post(f"/v1/cases/{case}/give-out", {"signature": signature})


async def judged(arm: Arm, count: int) -> list[tuple[str, str]]:
    """What ШЭП is told, each message accepted by the act's order and route; (message, state afterwards)."""
    catalogue, messages = read_once(load_catalogue, contracts_dir()), read_once(MessageRegister.load, contracts_dir())
    channel, progress, told = catalogue.by_code[REGULATION].channels[CHANNEL], START, []
    ours = Party("provider-arm", "provider", (REGION,), ("*",))
    gateway = Party("gateway-shep", "national_gateway", (), ())
    for envelope in await arm.outgoing(count):
        spec = messages.spec(envelope.type)
        assert envelope.recipient == "gateway-shep" and judge_route(catalogue, spec, envelope, ours, gateway) is None
        trail = [TrailStep(t["step"], t["outcome"], arm.clock.now()) for t in envelope.data["trail"]]
        order = judge_order(channel, progress, envelope.type, envelope.step, trail)
        assert isinstance(order, OrderAccepted), order
        progress = order.progress
        told.append((spec.name, order.state_after))
    assert progress.ended
    return told


# --- up to the number ------------------------------------------------------------------------------------------


async def test_the_papers_are_looked_at_before_anything_is_chosen_within_15_minutes(arm: Arm) -> None:
    official = await at_desk(arm)
    opened = done(await official.post("/v1/own-cases", {"regulation": REGULATION}))
    assert (opened["state"], opened["trail"]) == ("received", [])
    assert problem(await official.enter(opened["id"])) == (409, "own_case.wrong_state")
    case = await visited(official, 301)
    assert await steps(arm, case) == [
        ("pre1", "done", 900.0, 301.0),
        ("P1", "done", None, None),
        ("C1", "ok", None, None),
    ]
    shown = await official.own(case)
    assert (shown["state"], [paper["name"] for paper in shown["papers"]]) == ("opened", ["Өтініш"])
    again = await official.put(f"/v1/own-cases/{case}/papers", {"papers": PAPERS})
    assert problem(again) == (409, "own_case.wrong_state")


async def test_the_register_of_persons_is_in_no_step_of_this_act(arm: Arm) -> None:
    official = await at_desk(arm)
    case = await filled(official)
    assert problem(await official.post(f"/v1/own-cases/{case}/queries")) == (409, "own_case.wrong_state")


async def test_the_form_is_signed_then_the_certificate_is_checked_then_there_is_a_number(arm: Arm) -> None:
    official = await at_desk(arm)
    case = await filled(official)
    await arm.clock.advance(70)  # over the minute of the form: told, and nobody is refused for it
    key = official.employee()
    prepared = done(await official.fix(case, key))
    await arm.clock.advance(5)
    registered = done(await official.file(case, base64.b64decode(prepared["document"]), key))
    assert len(registered["number"]) == 11
    assert [(step, outcome) for step, outcome, *_ in await steps(arm, case)] == [
        ("pre1", "done"), ("P1", "done"), ("C1", "ok"), ("P3", "done"), ("P4", "done"), ("C2", "ok"),
    ]  # fmt: skip
    assert (await steps(arm, case))[3] == ("P3", "done", 60.0, 70.0)
    [told] = await arm.outgoing(1)
    assert (told.type, told.step, told.causationid) == ("kz.egov.case.registered.v1", "P6", None)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [({"span": -1}, "certificate.expired"), ({"profile": "person_auth"}, "certificate.wrong_usage")],
)
async def test_a_certificate_that_fails_after_signing_ends_the_case_with_process_5(
    arm: Arm, wanted: dict[str, Any], code: str
) -> None:
    official = await at_desk(arm)
    case = await filled(official)
    if "span" in wanted:
        past = arm.clock.now() - timedelta(days=10)
        wanted = {"span": type(arm.pki.span())(past - timedelta(days=1), past + timedelta(days=1))}
    refused = await signed(official, case, official.employee(**wanted))
    assert problem(refused) == (403, code)
    assert refused.json()["clause"] == "6 8)"
    shown = await official.own(case)
    assert (shown["state"], shown["number"]) == ("signature_refused", None)
    failed = [one["code"] for one in shown["judged"]["checks"] if one["code"]]
    assert shown["judged"]["verdict"] == code == failed[0]
    assert "ЭЦП" in shown["message"]["ru"] and "ЭЦҚ" in shown["message"]["kk"]
    assert await judged(arm, 1) == [("steps.reported", "signature_refused")]
    [told] = await arm.outgoing(1)
    assert told.data["outcome"] == {"step": "P5", "code": code}


async def test_a_signature_over_other_bytes_is_refused_as_not_confirmed(arm: Arm) -> None:
    official = await at_desk(arm)
    case, key = await filled(official), official.employee()
    done(await official.fix(case, key))
    refused = await official.file(case, b"something else", key)
    assert refused.json()["code"] == "signature.of_other_data"
    assert (await official.own(case))["state"] == "signature_refused"


async def test_a_refusal_repeated_with_its_key_is_the_same_answer(arm: Arm) -> None:
    official = await at_desk(arm)
    case, key = await filled(official), official.employee()
    done(await official.fix(case, key))
    first = await official.file(case, b"something else", key, idempotency_key="k")
    body = json.loads(first.request.content)
    again = await official.post(f"/v1/own-cases/{case}/submit", body, idempotency_key="k")
    assert (again.status_code, again.content) == (first.status_code, first.content)


async def test_a_certificate_that_is_no_employees_is_a_technical_error_and_no_end(arm: Arm) -> None:
    official = await at_desk(arm)
    case = await filled(official)
    key = official.certificate(profile="person_sign")
    assert problem(await official.fix(case, key))[1] == "own_case.certificate_not_employee"
    assert (await official.own(case))["state"] == "consumer_entered"


async def test_a_refused_login_is_recorded_as_the_acts_steps_without_a_name(arm: Arm) -> None:
    official = await at_desk(arm)
    wrong = {"iin": official.iin, "password": "not this one", "regulation": REGULATION}
    refused = await arm.http.post("/v1/sessions", json=wrong)
    assert (refused.json()["code"], refused.json()["clause"]) == ("staff.login_refused", "6 4)")
    async with arm.ws.db.read() as conn:
        rows = [row for row in await read_rows(conn, kit.journal, bodies=BODIES, case_id=None) if "person" in row.facts]
    told = [(row.kind, row.facts["step"], row.facts["outcome"]) for row in rows]
    assert told == [("step", "P1", "done"), ("step", "C1", "violation"), ("refusal", "P2", "refusal")]
    assert official.iin not in json.dumps([row.facts for row in rows])


# --- decision, result, hand-over -------------------------------------------------------------------------------


@pytest.mark.parametrize(("reasons", "outcome"), [((), "positive"), ((NO_RIGHT,), "negative")])
async def test_the_decision_is_told_before_the_result_whichever_it_is(
    arm: Arm, reasons: tuple[dict[str, str], ...], outcome: str
) -> None:
    case, official = await issued(arm, *reasons)
    _, told, completed = await arm.outgoing(3)
    assert (told.type, told.step, told.data["outcome"]) == ("kz.egov.case.decided.v1", "P7", outcome)
    assert [(step["step"], step["outcome"]) for step in told.data["trail"]] == [("P6", "done")]
    assert (completed.type, completed.step, completed.data["outcome"]) == ("kz.egov.case.completed.v1", "P8", outcome)
    assert done(await given(official, case, "by_hand"))["state"] == "handed_over"
    assert await judged(arm, 4) == [
        ("case.registered", "in_work"),
        ("case.decided", "decided"),
        ("case.completed", "completed"),
        ("case.handed_over", "completed"),
    ]


async def test_each_of_several_limits_of_a_step_measures_its_own_event(arm: Arm) -> None:
    case, _ = await decided(arm)
    found = {step: (limit, used) for step, _, limit, used in await steps(arm, case)}
    assert found["P6"] == (None, None)  # row 3 is of the question to the register, not of the work
    assert found["P7"] == (60.0, 0.0)  # row 5: from the end of the work to the decision


async def test_signing_the_result_and_issuing_it_have_a_minute_each(arm: Arm) -> None:
    case, _ = await issued(arm)
    assert (await steps(arm, case))[-1] == ("P8", "done", 60.0, 20.0)  # row 7: from the decision on
    async with arm.ws.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    [row] = [row.facts for row in rows if row.facts.get("action") == "result.signed"]
    assert (row["step"], row["clause"], row["limit_s"], row["used_s"]) == (
        "P7",
        "Приложение 1, таблица 1, 8",
        60.0,
        20.0,
    )


async def test_the_result_goes_to_the_address_of_the_application(arm: Arm) -> None:
    case, official = await issued(arm)
    done(await given(official, case, "by_email"))
    *_, told = await arm.outgoing(4)
    assert (told.data["way"], told.data["received_by"]["iin"]) == ("by_email", arm.applicant)
    record = json.loads(base64.b64decode(told.data["document"]))
    assert (record["way"], record["to"], record["case"]) == ("by_email", ADDRESS, case)


async def test_given_out_twice_is_given_out_once(arm: Arm) -> None:
    case, official = await issued(arm)
    first = done(await given(official, case, "by_hand"))
    again = await official.post(f"/v1/cases/{case}/give-out", {"signature": b64(b"whatever")})
    assert done(again) == first
    assert len(await arm.outgoing(4)) == 4


@pytest.mark.parametrize(
    ("values", "way", "to", "code"),
    [
        ({"email": "nowhere"}, "by_email", {}, "give_out.no_address"),
        ({}, "by_email", {"to": "another@example.kz"}, "give_out.other_person"),
        ({}, "by_hand", {"to": "990101600017"}, "give_out.other_person"),
    ],
)
async def test_nobody_else_gets_the_result(
    arm: Arm, values: dict[str, str], way: str, to: dict[str, str], code: str
) -> None:
    case, official = await issued(arm, **values)
    assert problem(await given(official, case, way, **to)) == (422, code)


async def test_a_result_of_this_flow_is_not_given_out_without_a_signed_record(arm: Arm) -> None:
    case, official = await issued(arm)
    plain = await official.post(f"/v1/cases/{case}/give-out", {"way": "by_hand"})
    assert problem(plain) == (409, "give_out.not_prepared")


async def test_nothing_is_given_out_before_there_is_a_result(arm: Arm) -> None:
    case, official = await decided(arm)
    assert problem(await given(official, case, "by_hand")) == (409, "decision.too_early")


async def test_a_result_of_the_portal_is_not_given_out_here(arm: Arm) -> None:
    official = await arm.appoint("executor")
    case = await arm.submit()
    assert problem(await official.post(f"/v1/cases/{case}/give-out", {"way": "by_hand"})) == (409, "give_out.not_here")


async def test_the_document_signed_says_what_the_official_filled_in(arm: Arm) -> None:
    official = await at_desk(arm)
    case, key = await filled(official), official.employee()
    prepared = done(await official.fix(case, key))
    document = base64.b64decode(prepared["document"])
    assert prepared["sha256"] == hashlib.sha256(document).hexdigest()
    body = json.loads(document)
    assert (body["channel"], body["papers"], body["form"]) == ("provider", PAPERS, {"email": ADDRESS})

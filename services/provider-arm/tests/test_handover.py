"""The result handed over at a centre: the operator's signed record, believed or not, and kept either way."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.envelope import Envelope
from egovkit.signatures.cms import sign_cms
from egovlaw.identifiers import synthetic_iin

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service


async def completed(arm: Arm) -> tuple[str, Official]:
    """A case of the centre whose result is signed, and the official who signed it."""
    operator = arm.pki.person(synthetic_iin(3), profile="employee_sign", bin_=arm.centre_bin)
    body = arm.application(key=operator, channel="centre")
    envelope = replace(arm.submission(body, operator), channel="centre", source="con-arm", step="P6")
    await arm.deliver(arm.wire(envelope, arm.centre))
    case, official = envelope.subject, await arm.appoint("executor", "authorised")
    await official.take(case)
    await official.check(case)
    key = official.certificate()
    document = base64.b64decode((await official.prepare(case, key)).json()["document"])
    assert (await official.issue(case, document, key)).status_code == 200
    return case, official


def handed_over(arm: Arm, case: str, **changes: Any) -> Envelope:
    """The centre's word; `operator` bends the certificate, `record` what is signed, the rest the envelope's data."""
    wanted: dict[str, Any] = {"profile": "employee_sign", "bin_": arm.centre_bin} | changes.pop("operator", {})
    key = arm.pki.person(synthetic_iin(3), **wanted)
    record = json.dumps({"kind": "hand-over", "case": case} | changes.pop("record", {})).encode()
    data = {
        "number": "26000000001",
        "handed_over_at": "2026-01-15T04:00:30.000Z",
        "received_by": {"capacity": "applicant", "iin": arm.applicant},
        "document": base64.b64encode(record).decode(),
        "signature": base64.b64encode(sign_cms(record, key, arm.clock.now())).decode(),
        "version": 4,
        "trail": [],
    }
    return Envelope(
        id=arm.ids.new(),
        source="con-arm",
        type="kz.egov.case.handed_over.v1",
        subject=case,
        time=arm.clock.now(),
        dataschema="urn:egov:schema:case.handed_over.v1",
        recipient="provider-arm",
        regulation="atyrau-housing-queue",
        channel="centre",
        step="P9",
        region="atyrau",
        caseseq=2,
        data=data | changes,
    )


async def deliver(arm: Arm, *envelopes: Envelope) -> None:
    await arm.deliver(*(arm.wire(envelope, arm.centre) for envelope in envelopes))


async def shown(official: Official, case: str) -> dict[str, Any]:
    body: dict[str, Any] = (await official.get(f"/v1/cases/{case}")).json()
    return body


async def test_the_hand_over_ends_the_case_and_its_record_is_kept(arm: Arm) -> None:
    case, official = await completed(arm)
    told = handed_over(arm, case)
    await deliver(arm, told)
    body = await shown(official, case)
    assert (body["state"], body["version"], body["changed_by"]) == ("handed_over", 5, None)
    judged = body["handed_over"].pop("judged")
    assert judged["verdict"] == "accepted" and judged["signer"]["bin"] == arm.centre_bin
    assert body["handed_over"] == {
        "at": "2026-01-15T04:00:30Z",
        "capacity": "applicant",
        "iin": arm.applicant,
        "status_version": 4,
        "verified": True,
        "reasons": [],
        "document": told.data["document"],
        "signature": told.data["signature"],
    }
    assert body["answer"]["kind"] == "result"


async def test_the_history_shows_the_hand_over_as_the_acts_last_step(arm: Arm) -> None:
    case, official = await completed(arm)
    await deliver(arm, handed_over(arm, case))
    last = (await official.get(f"/v1/cases/{case}/history")).json()["items"][-1]
    assert (last["kind"], last["step"], last["clause"], last["outcome"]) == ("envelope", "P9", "8 11)", "applied")
    assert (last["state_before"], last["state_after"]) == ("completed", "handed_over")


async def test_before_the_hand_over_there_is_none_to_show(arm: Arm) -> None:
    case, official = await completed(arm)
    body = await shown(official, case)
    assert (body["state"], body["handed_over"]) == ("completed", None)


async def test_a_clerk_sees_that_it_was_handed_over_and_not_to_whom(arm: Arm) -> None:
    case, _ = await completed(arm)
    await deliver(arm, handed_over(arm, case))
    clerk = await arm.appoint("clerk")
    answer = await clerk.get(f"/v1/cases/{case}")
    assert (answer.json()["state"], answer.json()["handed_over"]) == ("handed_over", None)
    assert arm.applicant not in answer.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"operator": {"bin_": "999940000010"}}, "operator.other_organisation"),
        ({"operator": {"profile": "person_sign"}}, "operator.not_employee"),
        ({"record": {"case": "another"}}, "document.other_case"),
        ({"signature": "AAAA"}, "signature.cms_malformed"),
        ({"signature": "AAAAA"}, "signature.malformed"),
    ],
)
async def test_a_record_that_is_not_believed_is_kept_with_the_reason(
    arm: Arm, changes: dict[str, Any], reason: str
) -> None:
    case, official = await completed(arm)
    await deliver(arm, handed_over(arm, case, **changes))
    body = await shown(official, case)
    assert body["state"] == "handed_over"  # E4: a fact is not refused
    assert body["handed_over"]["verified"] is False
    assert [one["code"] for one in body["handed_over"]["reasons"]] == [reason]


async def test_a_record_changed_after_signing_is_not_believed(arm: Arm) -> None:
    case, official = await completed(arm)
    told = handed_over(arm, case)
    told.data["document"] = base64.b64encode(json.dumps({"case": case, "more": 1}).encode()).decode()
    await deliver(arm, told)
    assert [one["code"] for one in (await shown(official, case))["handed_over"]["reasons"]] == [
        "signature.of_other_data"
    ]


async def test_the_same_hand_over_again_changes_nothing(arm: Arm) -> None:
    case, official = await completed(arm)
    told = handed_over(arm, case)
    await deliver(arm, told, told, replace(told, id=arm.ids.new(), caseseq=3))
    body = await shown(official, case)
    assert (body["version"], arm.letters) == (5, [])
    items = (await official.get(f"/v1/cases/{case}/history")).json()["items"]
    assert len([item for item in items if item["step"] == "P9" and item["kind"] == "envelope"]) == 1


async def test_who_had_no_part_in_the_case_hands_nothing_over(arm: Arm) -> None:
    case, official = await completed(arm)
    foreign = replace(handed_over(arm, case), source="portal-pep")
    await arm.deliver(arm.wire(foreign, arm.portal))
    assert await arm.dead() == ["case.not_of_source"]
    assert (await shown(official, case))["state"] == "completed"


async def test_nothing_is_handed_over_before_there_is_a_result(arm: Arm) -> None:
    operator = arm.pki.person(synthetic_iin(3), profile="employee_sign", bin_=arm.centre_bin)
    body = arm.application(key=operator, channel="centre")
    envelope = replace(arm.submission(body, operator), channel="centre", source="con-arm", step="P6")
    await deliver(arm, envelope, handed_over(arm, envelope.subject))
    assert await arm.dead() == ["case.wrong_state"]
    executor = await arm.appoint("executor")
    assert (await shown(executor, envelope.subject))["state"] == "registered"


async def test_of_a_case_nobody_knows_nothing_is_handed_over(arm: Arm) -> None:
    await deliver(arm, handed_over(arm, arm.ids.new()))
    assert await arm.dead() == ["case.not_of_source"]

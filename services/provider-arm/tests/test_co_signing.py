"""Both spouses sign one application (Semey, minors' property, annex 3): what the workstation makes of the second
signature."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.envelope import Envelope
from egovkit.journal import read_rows
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.keys import SigningKey
from egovkit.testing.journal import BODIES
from egovlaw.identifiers import synthetic_iin
from provider_arm.store import cases
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service

ACT, REGION, ROLE = "semey-minor-property-certificate", "semey", "spouse"
SPOUSE, STRANGER = synthetic_iin(71), synthetic_iin(72)
NAMED = [{"role": ROLE, "iin": SPOUSE}]


def submission(arm: Arm, named: Any = NAMED, **changes: Any) -> Envelope:
    """Signed by the applicant, naming `named`; nobody else has signed yet."""
    key = arm.pki.person(arm.applicant)
    body = arm.application(key=key, regulation=ACT, region=REGION, channel="portal", **changes)
    body |= {} if named is None else {"co_signers": named}
    return replace(arm.submission(body, key), regulation=ACT, region=REGION)


def co_signed(
    arm: Arm, envelope: Envelope, key: SigningKey, *, iin: str = SPOUSE, data: bytes | None = None
) -> Envelope:
    document = base64.b64decode(envelope.data["document"]) if data is None else data
    signature = base64.b64encode(sign_cms(document, key, arm.clock.now())).decode()
    one = {"role": ROLE, "iin": iin, "signature": signature}
    before = envelope.data.get("co_signatures", [])
    return replace(envelope, data={**envelope.data, "co_signatures": [*before, one]})


async def reasons(arm: Arm, envelope: Envelope) -> list[str]:
    await arm.deliver(arm.wire(envelope))
    async with arm.ws.db.read() as conn:
        case = await cases.get(conn, envelope.subject)
    assert case is not None, arm.letters
    assert case.verified is (not case.reasons)
    return list(case.reasons)


async def shown(arm: Arm, case: str, *roles: str) -> dict[str, Any]:
    official = await arm.appoint(*(roles or ("executor",)), region=REGION)
    body: dict[str, Any] = (await official.get(f"/v1/cases/{case}")).json()
    return body


async def test_both_signatures_are_judged_kept_and_shown(arm: Arm) -> None:
    key = arm.pki.person(SPOUSE)
    envelope = co_signed(arm, submission(arm), key)
    assert await reasons(arm, envelope) == []
    page = await shown(arm, envelope.subject)
    (signer,) = page["co_signers"]
    assert (signer["role"], signer["iin"], signer["verified"], signer["reasons"]) == (ROLE, SPOUSE, True, [])
    assert signer["label_ru"] == "Подпись обоих супругов" and signer["label_kk"]
    assert signer["judged"]["verdict"] == "accepted" and signer["judged"]["signer"]["certificate"] == key.thumbprint
    assert signer["judged"]["document"] == page["judged"]["document"] and page["verified"]
    async with arm.ws.db.read() as conn:
        [row] = await read_rows(conn, kit.journal, bodies=BODIES, case_id=envelope.subject)
    [told] = row.facts["co_signatures"]
    assert told["role"] == ROLE and told["judged"]["verdict"] == "accepted" and told["reasons"] == []
    assert SPOUSE not in json.dumps(told)


async def test_who_sees_a_masked_case_sees_no_signer(arm: Arm) -> None:
    envelope = co_signed(arm, submission(arm), arm.pki.person(SPOUSE))
    await reasons(arm, envelope)
    page = await shown(arm, envelope.subject, "clerk")
    assert page["applicant"]["masked"] and page["co_signers"] == []


async def test_an_application_whose_named_spouse_has_not_signed_is_not_verified(arm: Arm) -> None:
    envelope = submission(arm)
    assert await reasons(arm, envelope) == ["signature.signer_missing"]
    (signer,) = (await shown(arm, envelope.subject))["co_signers"]
    assert (signer["verified"], signer["signature"], signer["judged"]) == (False, None, None)
    assert signer["reasons"][0]["text"] == "Запрос подписали не все, кто в нём назван"


async def test_a_bad_second_signature_is_named_by_its_code_and_keeps_its_facts(arm: Arm) -> None:
    key = arm.pki.person(SPOUSE)
    arm.pki.revoke(key.certificate)
    await arm.app.state.node.trust_source.refresh(force=True)
    envelope = co_signed(arm, submission(arm), key)
    assert await reasons(arm, envelope) == ["certificate.revoked"]
    page = await shown(arm, envelope.subject)
    assert page["judged"]["verdict"] == "accepted"
    assert page["co_signers"][0]["judged"]["verdict"] == "certificate.revoked"


async def test_other_bytes_other_people_and_strangers_are_not_believed(arm: Arm) -> None:
    spouse, stranger = arm.pki.person(SPOUSE), arm.pki.person(STRANGER)
    assert await reasons(arm, co_signed(arm, submission(arm), spouse, data=b"other")) == ["signature.of_other_data"]
    by_another = co_signed(arm, submission(arm), stranger)
    assert await reasons(arm, by_another) == ["certificate.of_another_person"]
    extra = co_signed(arm, co_signed(arm, submission(arm), spouse), stranger, iin=STRANGER)
    assert await reasons(arm, extra) == ["signature.of_a_stranger"]
    unnamed = co_signed(arm, submission(arm, None), spouse)
    assert await reasons(arm, unnamed) == ["signature.of_a_stranger"]
    twice = co_signed(arm, co_signed(arm, submission(arm), spouse), spouse)
    assert await reasons(arm, twice) == ["signature.signer_twice"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("spouse", "document.malformed"),
        ([{"role": ROLE}], "document.malformed"),
        ([{"role": ROLE, "iin": SPOUSE, "more": 1}], "document.malformed"),
        ([{"role": "s" * 21, "iin": SPOUSE}], "document.malformed"),
        ([{"role": ROLE, "iin": f"{SPOUSE}0"}], "document.malformed"),
        (NAMED * 8, "document.malformed"),
        ([{"role": "child", "iin": SPOUSE}], "signature.of_a_stranger"),
        ([*NAMED, {"role": ROLE, "iin": STRANGER}], "signature.signer_twice"),
    ],
)
async def test_a_document_that_names_its_signers_oddly_is_not_verified(arm: Arm, named: Any, expected: str) -> None:
    assert expected in await reasons(arm, submission(arm, named))


async def test_the_applicant_is_no_second_signer(arm: Arm) -> None:
    named = [{"role": ROLE, "iin": arm.applicant}]
    envelope = co_signed(arm, submission(arm, named), arm.pki.person(arm.applicant), iin=arm.applicant)
    assert await reasons(arm, envelope) == ["signature.signer_twice"]


async def test_an_act_that_asks_for_nobody_else_takes_nobody_else(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    envelope = arm.submission(arm.application(key=key, co_signers=NAMED), key)
    assert await reasons(arm, co_signed(arm, envelope, arm.pki.person(SPOUSE))) == ["signature.of_a_stranger"]

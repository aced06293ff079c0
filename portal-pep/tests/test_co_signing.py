"""Both spouses sign one application (Semey, minors' property, annex 3: "Подпись обоих супругов"): each in his own
account, over the same bytes; sent when the last of them has signed."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from egovkit.contracts import read_once
from egovkit.journal import read_rows
from egovkit.messages import MessageRegister
from egovkit.signatures.authority import Span
from egovkit.testing.journal import BODIES
from portal_pep.store import co_signatures
from portal_pep.tables import kit

pytestmark = pytest.mark.service

ACT, ROLE = "semey-minor-property-certificate", "spouse"


@pytest.fixture
async def spouse(world: Any) -> Any:
    return await world.citizen().arrive()


async def name(citizen: Any, case: str, iin: str, role: str = ROLE) -> Any:
    path = f"/v1/cases/{case}/co-signers/{role}"
    return await citizen.world.http.put(path, headers=citizen.headers(), json={"iin": iin})


async def forget(citizen: Any, case: str) -> Any:
    return await citizen.world.http.delete(f"/v1/cases/{case}/co-signers/{ROLE}", headers=citizen.headers())


async def asked(citizen: Any, **params: Any) -> list[dict[str, Any]]:
    return list((await citizen.get("/v1/co-signatures", **params)).json()["items"])


async def co_sign(citizen: Any, case: str, signature: str) -> Any:
    return await citizen.post(f"/v1/co-signatures/{case}/sign", {"signature": signature})


async def signed_by_one(citizen: Any, spouse: Any) -> tuple[str, bytes]:
    """The applicant has signed and named the other."""
    case = await citizen.open(regulation=ACT)
    assert (await name(citizen, case, spouse.iin)).status_code == 200
    document = await citizen.prepared(case)
    answer = await citizen.submit(case, citizen.sign(document))
    assert answer.status_code == 202 and answer.json()["envelope"] is None, answer.text
    return case, document


async def journal(world: Any, case: str) -> list[dict[str, Any]]:
    async with world.app.state.node.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    return [{"kind": row.kind, **row.facts} for row in rows]


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_an_application_is_sent_when_both_spouses_have_signed_the_same_bytes(
    world: Any, citizen: Any, spouse: Any
) -> None:
    case, document = await signed_by_one(citizen, spouse)
    named = [{"role": ROLE, "iin": spouse.iin}]
    assert json.loads(document)["co_signers"] == named
    page = await citizen.page(case)
    assert page["status"]["code"] == "co_signing" and page["judged"]["verdict"] == "accepted" and page["editable"]
    (waiting,) = page["co_signers"]
    assert (waiting["state"], waiting["label"]["ru"], waiting["clause"]) == (
        "waiting", "Подпись обоих супругов", "Приложение 3",
    )  # fmt: skip
    await world.clock.advance(timedelta(days=2).total_seconds())  # nobody's clock runs meanwhile
    await citizen.log_in(), await spouse.log_in()
    (line,) = await asked(spouse)
    assert (line["case"], line["role"], line["state"], line["status"]) == (case, ROLE, "waiting", "co_signing")
    shown = (await spouse.get(f"/v1/co-signatures/{case}")).json()
    assert base64.b64decode(shown["document"]) == document and shown["content"]["applicant"] == {"iin": citizen.iin}
    assert world.shep.arrived.empty()
    second = spouse.sign(document)
    answer = await co_sign(spouse, case, second)
    assert answer.status_code == 200 and answer.json()["state"] == "signed", answer.text
    assert answer.json()["judged"]["signer"]["certificate"] == spouse.key.thumbprint
    envelope = await world.shep.next()
    assert envelope.data["co_signatures"] == [{**named[0], "signature": second}]
    assert base64.b64decode(envelope.data["document"]) == document
    read_once(MessageRegister.load, world.app.state.node.contracts).check(envelope.type, envelope.data)
    page = await citizen.page(case)
    assert page["status"]["code"] == "submitted" and page["co_signers"][0]["state"] == "signed"
    assert page["co_signers"][0]["judged"]["document"] == hashlib.sha256(document).hexdigest()
    assert await asked(spouse) == [] and len(await asked(spouse, waiting=False)) == 1


async def test_the_acts_limits_run_from_the_last_signature(world: Any, citizen: Any, spouse: Any) -> None:
    """Sending has a minute from the check of the certificate: it is made again when all have signed."""
    case, document = await signed_by_one(citizen, spouse)
    await world.clock.advance(timedelta(days=1).total_seconds())
    await spouse.log_in()
    await co_sign(spouse, case, spouse.sign(document))
    envelope, now = await world.shep.next(), world.clock.now()
    assert envelope.expirytime == now + timedelta(seconds=60)
    trail = {one["step"]: one for one in envelope.data["trail"]}
    assert trail["C2"]["outcome"] == "ok" and trail["C2"]["at"] == now.isoformat(timespec="milliseconds")[:-6] + "Z"
    rows = await journal(world, case)
    sent = next(one for one in rows if one["kind"] == "envelope")
    assert sent["step"] == "P5" and sent["used_s"] == 0 and sent["co_signatures"][0]["role"] == ROLE
    assert sent["judged"]["checked_at"] == now.isoformat()
    actions = [one["action"] for one in rows if one["kind"] == "admin"]
    assert actions == ["application.signed", "application.co_signed"]
    assert [one["judged"]["verdict"] for one in rows if one["kind"] == "admin"] == ["accepted", "accepted"]


async def test_people_are_told_who_is_asked_who_signed_and_who_declined(world: Any, citizen: Any, spouse: Any) -> None:
    case, document = await signed_by_one(citizen, spouse)
    assert (await spouse.notices())[-1] == "co_signature_asked"
    notice = (await spouse.get("/v1/notifications")).json()["items"][0]
    assert "имуществом" in notice["text"]["ru"] and "мәмілелерді" in notice["text"]["kk"] and notice["case"] == case
    printed = await spouse.get(f"/v1/notifications/{notice['id']}/notification.pdf")
    assert printed.status_code == 200
    assert (await spouse.get(f"/v1/cases/{case}")).status_code == 404  # what he was asked is not his
    declined = await spouse.post(f"/v1/co-signatures/{case}/decline", {"reason": "Келіспеймін"})
    assert declined.status_code == 200 and declined.json()["reason"] == "Келіспеймін"
    again = await spouse.post(f"/v1/co-signatures/{case}/decline", {"reason": "Басқа себеп"})
    assert again.status_code == 200 and again.json()["reason"] == "Келіспеймін"
    assert problem(await co_sign(spouse, case, spouse.sign(document))) == (409, "co_signature.not_waiting")
    (said,) = (await citizen.page(case))["co_signers"]
    assert (said["state"], said["reason"]) == ("declined", "Келіспеймін")
    assert (await citizen.notices())[-1] == "co_signature_declined" and world.shep.arrived.empty()


async def test_changing_the_application_makes_all_signatures_void(world: Any, citizen: Any, spouse: Any) -> None:
    case, document = await signed_by_one(citizen, spouse)
    assert (await citizen.attach(case)).status_code == 200
    page = await citizen.page(case)
    assert page["status"]["code"] == "draft" and page["judged"] is None and page["co_signers"][0]["state"] == "named"
    assert await asked(spouse) == [] and (await spouse.notices())[-1] == "co_signature_void"
    assert problem(await co_sign(spouse, case, spouse.sign(document))) == (404, "co_signature.not_found")
    anew = await citizen.prepared(case)
    assert anew != document
    await citizen.submit(case, citizen.sign(anew))
    assert problem(await co_sign(spouse, case, spouse.sign(document))) == (422, "signature.of_other_data")
    assert (await co_sign(spouse, case, spouse.sign(anew))).status_code == 200
    assert (await world.shep.next()).subject == case


async def test_going_without_the_spouse_a_scanned_sheet_is_attached_as_before(
    world: Any, citizen: Any, spouse: Any
) -> None:
    """A30: the sheet signed by hand stays the other way."""
    case, _ = await signed_by_one(citizen, spouse)
    assert (await forget(citizen, case)).json()["co_signers"] == []
    assert (await spouse.notices())[-1] == "co_signature_void"
    assert problem(await forget(citizen, case)) == (404, "co_signer.not_named")
    await citizen.attach(case, "spouse_signature.pdf")
    await citizen.submit(case, citizen.sign(await citizen.prepared(case)))
    assert "co_signatures" not in (await world.shep.next()).data


async def test_only_whom_the_form_asks_for_may_be_named_and_never_the_applicant(world: Any, citizen: Any) -> None:
    case, other = await citizen.open(regulation=ACT), await citizen.open()
    assert problem(await name(citizen, case, citizen.iin)) == (422, "co_signer.is_applicant")
    assert problem(await name(citizen, case, "991231600013")) == (422, "request.invalid")
    assert problem(await name(citizen, case, "spouse")) == (422, "request.invalid")
    stranger = world.citizen().iin
    assert problem(await name(citizen, case, stranger, "child")) == (422, "co_signer.not_in_form")
    assert problem(await name(citizen, other, stranger)) == (422, "co_signer.not_in_form")
    assert (await citizen.page(case))["co_signers"] == []


async def test_nobody_else_sees_or_signs_it(world: Any, citizen: Any, spouse: Any) -> None:
    case, document = await signed_by_one(citizen, spouse)
    stranger = await world.citizen().arrive()
    for person in (stranger, citizen):
        assert await asked(person) == []
        assert problem(await person.get(f"/v1/co-signatures/{case}")) == (404, "co_signature.not_found")
        assert problem(await co_sign(person, case, person.sign(document))) == (404, "co_signature.not_found")
    by_another = await co_sign(spouse, case, spouse.sign(document, stranger.key))
    assert problem(by_another) == (403, "certificate.of_another_person")
    (refusal,) = [one for one in await journal(world, case) if one["kind"] == "refusal"]
    assert refusal["code"] == "certificate.of_another_person" == refusal["judged"]["verdict"]
    assert (await citizen.page(case))["co_signers"][0]["state"] == "waiting" and world.shep.arrived.empty()


async def test_before_the_applicant_has_signed_the_draft_is_his_alone(world: Any, citizen: Any, spouse: Any) -> None:
    case = await citizen.open(regulation=ACT)
    await name(citizen, case, spouse.iin)
    document = await citizen.prepared(case)
    assert await asked(spouse, waiting=False) == [] and await spouse.notices() == []
    assert problem(await co_sign(spouse, case, spouse.sign(document))) == (404, "co_signature.not_found")


async def test_signing_twice_sends_once(world: Any, citizen: Any, spouse: Any) -> None:
    case, document = await signed_by_one(citizen, spouse)
    signature = spouse.sign(document)
    first, second = await co_sign(spouse, case, signature), await co_sign(spouse, case, signature)
    assert first.json()["judged"] == second.json()["judged"] and second.status_code == 200
    await world.shep.next()
    assert world.shep.arrived.empty()
    assert problem(await citizen.submit(case, citizen.sign(document))) == (409, "case.wrong_state")
    page = await citizen.page(case)
    assert page["status"]["code"] == "submitted" and len(page["co_signers"]) == 1


@pytest.mark.parametrize(
    ("odd", "code"),
    [({"profile": "person_auth"}, "certificate.wrong_usage"), ({"past": True}, "certificate.expired")],
)
async def test_a_certificate_that_does_not_do_leaves_everything_as_it_was(
    world: Any, citizen: Any, spouse: Any, odd: dict[str, Any], code: str
) -> None:
    case, document = await signed_by_one(citizen, spouse)
    now = world.clock.now()
    wanted = {"span": Span(now - timedelta(days=9), now - timedelta(days=1))} if "past" in odd else odd
    bad = world.pki.person(spouse.iin, **wanted)
    assert problem(await co_sign(spouse, case, spouse.sign(document, bad))) == (403, code)
    assert (await co_sign(spouse, case, spouse.sign(document))).status_code == 200
    await world.shep.next()


async def test_a_signature_whose_certificate_is_revoked_before_the_sending_ends_the_case_by_the_act(
    world: Any, citizen: Any, spouse: Any
) -> None:
    """The applicant's: the act refuses what it cannot confirm (P4), whoever signs last."""
    case, document = await signed_by_one(citizen, spouse)
    kept = (await citizen.page(case))["judged"]
    await world.clock.advance(60)
    await world.revoke(citizen.key)
    answer = await co_sign(spouse, case, spouse.sign(document))
    assert answer.status_code == 200 and answer.json()["status"] == "signature_refused"
    report = await world.shep.next()
    assert report.type == "kz.egov.steps.reported.v1" and report.data["outcome"]["code"] == "certificate.revoked"
    assert kept["verdict"] == "accepted" and (await citizen.notices())[-1] == "signature_refused"


async def test_nobody_is_asked_any_more_when_the_case_ends_at_the_next_preparation(
    world: Any, citizen: Any, spouse: Any
) -> None:
    case, document = await signed_by_one(citizen, spouse)
    await world.clock.advance(60)
    await world.revoke(citizen.key)
    assert problem(await citizen.prepare(case))[1] == "certificate.revoked"
    assert (await citizen.page(case))["status"]["code"] == "signature_refused"
    assert await asked(spouse) == [] and (await spouse.notices())[-1] == "co_signature_void"
    assert problem(await co_sign(spouse, case, spouse.sign(document))) == (404, "co_signature.not_found")


async def test_nothing_is_signed_while_the_copies_cannot_be_stored(world: Any, citizen: Any, spouse: Any) -> None:
    """The last signature sends: half of it would leave an application that all have signed and nobody has."""
    from egovkit.errors import EgovError

    case = await citizen.open(regulation=ACT)
    await name(citizen, case, spouse.iin)
    await citizen.attach(case)
    document = await citizen.prepared(case)
    await citizen.submit(case, citizen.sign(document))
    world.store.failure = EgovError("attachment.store_unavailable")
    assert problem(await co_sign(spouse, case, spouse.sign(document)))[1] == "attachment.store_unavailable"
    assert (await citizen.page(case))["co_signers"][0]["state"] == "waiting"
    world.store.failure = None
    assert (await co_sign(spouse, case, spouse.sign(document))).status_code == 200
    assert (await world.shep.next()).data["attachments"]


async def test_who_has_no_account_yet_finds_it_when_he_has_one(world: Any, citizen: Any) -> None:
    late = world.citizen()
    case, document = await signed_by_one(citizen, late)
    await late.arrive()
    assert [one["case"] for one in await asked(late)] == [case]
    assert (await co_sign(late, case, late.sign(document))).status_code == 200
    await world.shep.next()


async def test_who_signed_earlier_and_is_not_believed_any_more_is_asked_again(
    world: Any, citizen: Any, spouse: Any
) -> None:
    """No act asks two others to sign; the table of signers does not count them."""
    other = await world.citizen().arrive()
    case = await citizen.open(regulation=ACT)
    await name(citizen, case, spouse.iin)
    async with world.app.state.portal.db.begin() as conn:
        await co_signatures.name(conn, case, "witness", other.iin)
    document = await citizen.prepared(case)
    await citizen.submit(case, citizen.sign(document))
    assert (await co_sign(spouse, case, spouse.sign(document))).json()["status"] == "co_signing"
    await world.clock.advance(60)
    await world.revoke(spouse.key)
    assert (await co_sign(other, case, other.sign(document))).json()["state"] == "signed"
    states = {one["role"]: one["state"] for one in (await citizen.page(case))["co_signers"]}
    assert states == {"spouse": "waiting", "witness": "signed"} and world.shep.arrived.empty()
    assert (await spouse.notices())[-1] == "co_signature_asked"
    fresh = world.pki.person(spouse.iin)
    assert (await co_sign(spouse, case, spouse.sign(document, fresh))).json()["status"] == "submitted"
    roles = [one["role"] for one in (await world.shep.next()).data["co_signatures"]]
    assert roles == ["spouse", "witness"]


async def test_an_application_that_ends_before_all_have_signed_waits_for_nobody(
    world: Any, citizen: Any, spouse: Any
) -> None:
    """Prepared anew by a certificate that was revoked meanwhile: the act refuses (P4)."""
    case, document = await signed_by_one(citizen, spouse)
    await world.clock.advance(60)
    await world.revoke(citizen.key)
    assert (await citizen.prepare(case)).json()["code"] == "certificate.revoked"
    assert (await citizen.page(case))["status"]["code"] == "signature_refused"
    assert await asked(spouse) == [] and (await spouse.notices())[-1] == "co_signature_void"
    assert problem(await co_sign(spouse, case, spouse.sign(document))) == (404, "co_signature.not_found")


async def test_a_signature_that_cannot_be_read_says_what_is_wrong_with_it(
    world: Any, citizen: Any, spouse: Any
) -> None:
    case, document = await signed_by_one(citizen, spouse)
    answer = (await co_sign(spouse, case, "AAAA")).json()
    assert (answer["code"], answer["reason"]) == ("signature.cms_malformed", "bytes_after")
    assert "…" not in answer["detail"]
    assert (await co_sign(spouse, case, spouse.sign(document))).status_code == 200

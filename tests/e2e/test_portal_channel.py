"""Every outcome of the portal channel, from outside: people with their own keys at the services' public HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import zxingcpp
from PIL import Image

from egovkit.barcodes import decode, unpack
from egovkit.signatures.certificates import load_certificate
from egovkit.signatures.pdf import check_pdf
from sandbox.composition import NUC, PORTAL, SHEP
from sandbox.people import Citizen
from sandbox.replay.reading import load_all
from sandbox.sabotage import case_rows
from sandbox.trace import trace
from sandbox.world import Deployment

from .problems import problem

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
ISSUED, REFUSED = [one for one in load_all() if one.channel == "portal" and one.demo]


async def settled(world: Deployment, **wanted: Any) -> Citizen:
    citizen = await world.citizen(**wanted)
    await citizen.settle_in()
    return citizen


async def test_the_citizen_holds_the_result_the_official_signed(world: Deployment, tmp_path: Path) -> None:
    citizen = await settled(world)
    case = await citizen.apply(ISSUED.regulation, ISSUED.form, ISSUED.attachments)
    number = (await citizen.until(case, "registered"))["number"]
    assert len(number) == 11
    official = await world.official(region=ISSUED.region)
    await official.take(case)
    seen = await official.call("GET", f"/v1/cases/{case}")
    assert seen["form"] == ISSUED.form
    [paper] = seen["attachments"]
    copy = await official.send("GET", paper["href"])
    assert copy.content == ISSUED.attachments[0].content()
    assert ISSUED.result is not None
    await official.check(case, "ok")
    await official.issue_result(case, ISSUED.result)
    await citizen.until(case, "completed")
    result = await citizen.call("GET", f"/v1/cases/{case}/result")
    document = json.loads(base64.b64decode(result["document"]))
    assert (document["number"], document["text_kk"]) == (number, ISSUED.result.kk)
    page = await citizen.send("GET", f"/v1/cases/{case}/result.pdf")
    assert (page.status_code, page.headers["content-type"]) == (200, "application/pdf")
    assert number in page.headers["content-disposition"] and ISSUED.result.page
    assert (await official.send("GET", f"/v1/cases/{case}/result.pdf")).content == page.content
    await page_holds(world, page.content, result, tmp_path)
    status = await citizen.call("POST", f"/v1/cases/{case}/status-check")
    assert (status["number"], status["awaited"], status["has_result"]) == (number, None, True)
    answers = {one["name"]: 3 for one in (await citizen.call("GET", f"/v1/cases/{case}/survey"))["questions"]}
    given = await citizen.call("POST", f"/v1/cases/{case}/survey", json={"answers": answers})
    assert given["given"]["answers"] == answers
    stream = await citizen.send("GET", f"/v1/cases/{case}/events")
    assert "event: completed\n" in stream.text


async def page_holds(world: Deployment, pdf: bytes, result: dict[str, Any], folder: Path) -> None:
    """The page for other people's programs, for ours, and for whoever asks the portal: by file, by codes, by number."""
    document = base64.b64decode(result["document"])
    said, texts = await asyncio.to_thread(read_by_others, pdf, folder)
    assert "Signature is Valid." in said and "Signature Type: ETSI.CAdES.detached" in said
    root = load_certificate((await world.http.get(f"{world.url(NUC)}/ca/root.cer")).content)
    (signature,) = (await check_pdf(pdf, root, world.clock.now())).signatures
    assert (signature.refusal, signature.ades, signature.level) == (None, "PASSED", "B-LTA")
    codes = [text for text in texts if "BarcodeElement" in text]
    carried = unpack(decode(codes))
    assert (carried.document, base64.b64encode(carried.signature).decode()) == (document, result["signature"])
    verify, number = f"{world.url(PORTAL)}/v1/verify", json.loads(document)["number"]
    told = [
        await world.http.post(f"{verify}/pdf", content=pdf, headers={"content-type": "application/pdf"}),
        await world.http.post(f"{verify}/codes", json={"codes": codes}),
        await world.http.post(f"{verify}/number", json={"number": number, "sha256": sha256(pdf).hexdigest()}),
    ]
    assert [(one.json()["standing"], one.json()["number"]) for one in told] == [("stands", number)] * 3
    of_page, of_document = [one.json()["signers"][0] for one in told[:2]]
    assert of_page["thumbprint"] == of_document["thumbprint"] == result["judged"]["signer"]["certificate"]


def read_by_others(pdf: bytes, folder: Path) -> tuple[str, list[str]]:
    """What pdfsig says of it, and what a scanner reads off its pages."""
    path = folder / "page.pdf"
    path.write_bytes(pdf)
    said = subprocess.run(["pdfsig", path], capture_output=True, text=True, check=False).stdout
    command = ["pdftoppm", "-r", "150", "-gray", "-png", path, folder / "page"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    images = [Image.open(one) for one in sorted(folder.glob("page-*.png"))]
    return said, [found.text for image in images for found in zxingcpp.read_barcodes(image)]


async def test_both_spouses_sign_and_the_provider_has_both_signatures(world: Deployment) -> None:
    """Semey, minors' property, annex 3: each in his own account, over the same bytes; sent when both have signed."""
    applicant, spouse = await settled(world), await settled(world)
    case = await applicant.choose("semey-minor-property-certificate")
    await applicant.call("PUT", f"/v1/cases/{case}/co-signers/spouse", json={"iin": spouse.iin})
    sent = await applicant.submit(case, await applicant.prepare(case))
    assert (sent["status"], sent["envelope"]) == ("co_signing", None)
    [asked] = (await spouse.call("GET", "/v1/co-signatures"))["items"]
    shown = await spouse.call("GET", f"/v1/co-signatures/{asked['case']}")
    own = {"signature": await spouse.sign(base64.b64decode(shown["document"]))}
    foreign = {"signature": await applicant.sign(base64.b64decode(shown["document"]))}
    refused = await spouse.send("POST", f"/v1/co-signatures/{case}/sign", json=foreign)
    problem(refused, "certificate.of_another_person")
    signed = await spouse.call("POST", f"/v1/co-signatures/{case}/sign", json=own)
    assert (signed["state"], signed["status"], signed["judged"]["revocation"]["source"]) == (
        "signed", "submitted", "ocsp",
    )  # fmt: skip
    await applicant.until(case, "registered")
    official = await world.official(region="semey")
    await official.take(case)
    seen = await official.call("GET", f"/v1/cases/{case}")
    [other] = seen["co_signers"]
    assert seen["verified"] and other["verified"] and other["iin"] == spouse.iin
    assert other["signature"] == own["signature"] and other["judged"]["document"] == seen["judged"]["document"]


async def test_the_reasons_of_a_refusal_reach_the_citizen_word_for_word(world: Deployment) -> None:
    citizen = await settled(world)
    case = await citizen.apply(REFUSED.regulation, REFUSED.form, REFUSED.attachments)
    await citizen.until(case, "registered")
    official = await world.official(region=REFUSED.region)
    await official.take(case)
    await official.check(case, "violations", REFUSED.reasons)
    await citizen.until(case, "refused")
    result = await citizen.call("GET", f"/v1/cases/{case}/result")
    assert result["reasons"] == [dict(one) for one in REFUSED.reasons]
    last = (await citizen.call("GET", f"/v1/cases/{case}/history?limit=100"))["items"][-1]
    assert (last["step"], last["clause"], last["state_after"]) == ("P7", "6 11)", "refused")


async def test_nobody_confirms_an_account_with_another_persons_signature(world: Deployment) -> None:
    victim, stranger = await world.citizen(), await world.citizen()
    await victim.register()
    await victim.log_in()
    victim.key = stranger.key
    prepared = await victim.call("POST", "/v1/accounts/confirmation/prepare")
    signature = await victim.sign(base64.b64decode(prepared["document"]))
    answer = await victim.send("POST", "/v1/accounts/confirmation", json={"signature": signature})
    assert answer.json()["code"] == "certificate.of_another_person"
    assert (await victim.send("GET", "/v1/cases")).json()["code"] == "account.not_confirmed"


async def revoked(world: Deployment, citizen: Citizen) -> str:
    issued = await issue_again(world, citizen)
    headers = {"Authorization": f"Bearer {world.admin_token(NUC)}"}
    url = f"{world.url(NUC)}/v1/certificates/{issued['serial']}/revoke"
    answer = await world.http.post(url, json={"reason": "keyCompromise"}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(issued["certificate"])


async def of_another_person(world: Deployment, citizen: Citizen) -> str:
    return (await world.citizen()).certificate


async def for_logging_in(world: Deployment, citizen: Citizen) -> str:
    return await another(world, citizen, profile="person_auth")


async def another(world: Deployment, citizen: Citizen, **wanted: Any) -> str:
    return str((await issue_again(world, citizen, **wanted))["certificate"])


async def issue_again(world: Deployment, citizen: Citizen, **wanted: Any) -> dict[str, Any]:
    body = {"iin": citizen.iin, "surname": "СЫНАҚ", "name": "АЙГҮЛ", "password": "Synthetic1", **wanted}
    headers = {"Authorization": f"Bearer {world.admin_token(NUC)}"}
    answer = await world.http.post(f"{world.url(NUC)}/v1/persons", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (revoked, "certificate.revoked"),
        (of_another_person, "certificate.of_another_person"),
        (for_logging_in, "certificate.wrong_usage"),
    ],
)
async def test_a_certificate_that_is_no_good_ends_the_case_with_process_4(
    world: Deployment, make: Any, code: str
) -> None:
    citizen = await settled(world)
    case = await citizen.choose(ISSUED.regulation)
    certificate = await make(world, citizen)
    load_certificate(certificate.encode())
    answer = await until_refused(world, citizen, case, certificate, code)
    assert problem(answer, code)["clause"] == "6 7)"
    seen = await citizen.case(case)
    assert seen["status"]["code"] == "signature_refused"
    report = await told_to_shep(world, citizen, case)
    assert (report["step"], report["outcome"]) == ("P4", "consumed")


async def until_refused(world: Deployment, citizen: Citizen, case: str, certificate: str, code: str) -> httpx.Response:
    """A revocation is known everywhere within five seconds; until then a good answer is only early."""
    deadline = world.clock.monotonic() + 10
    while True:
        answer = await citizen.send("POST", f"/v1/cases/{case}/prepare", json={"certificate": certificate})
        if answer.is_error or code != "certificate.revoked" or world.clock.monotonic() > deadline:
            return answer
        await world.clock.sleep(0.5)


async def told_to_shep(world: Deployment, citizen: Citizen, case: str) -> dict[str, Any]:
    deadline = world.clock.monotonic() + 30
    while True:
        for row in await case_rows(world, case):
            facts = row.facts
            if facts.get("service") == SHEP and facts.get("type") == "kz.egov.steps.reported.v1":
                return facts
        assert world.clock.monotonic() < deadline, "ШЭП has not heard of the refusal"
        await world.clock.sleep(0.1)


async def test_the_same_submit_twice_is_one_application(world: Deployment) -> None:
    citizen = await settled(world)
    case = await citizen.choose(ISSUED.regulation)
    document = await citizen.prepare(case)
    body = {"signature": await citizen.sign(document)}
    key = {"Idempotency-Key": world.ids.new()}
    first = await citizen.send("POST", f"/v1/cases/{case}/submit", json=body, headers=key)
    again = await citizen.send("POST", f"/v1/cases/{case}/submit", json=body, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    await citizen.until(case, "registered")
    sent = [
        hop for hop in trace(await case_rows(world, case)) if hop.service == SHEP and hop.message == "case.submitted"
    ]
    assert len(sent) == 1


async def test_the_same_key_with_another_body_is_refused(world: Deployment) -> None:
    citizen = await settled(world)
    case = await citizen.choose(ISSUED.regulation)
    document = await citizen.prepare(case)
    key = {"Idempotency-Key": world.ids.new()}
    await citizen.send(
        "POST", f"/v1/cases/{case}/submit", json={"signature": await citizen.sign(document)}, headers=key
    )
    other = {"signature": await citizen.sign(document + b" ")}
    again = await citizen.send("POST", f"/v1/cases/{case}/submit", json=other, headers=key)
    assert problem(again, "idempotency.key_reused")["status"] == 422


async def test_a_signature_over_other_bytes_sends_nothing(world: Deployment) -> None:
    citizen = await settled(world)
    case = await citizen.choose(ISSUED.regulation)
    document = await citizen.prepare(case)
    signature = await citizen.sign(document + b" ")
    answer = await citizen.send("POST", f"/v1/cases/{case}/submit", json={"signature": signature})
    assert answer.is_error
    assert answer.json()["code"].startswith("signature.")
    assert (await citizen.case(case))["status"]["code"] == "prepared"


async def test_every_kazakh_letter_reaches_the_official_as_it_was_typed(world: Deployment) -> None:
    letters = "ӘәҒғҚқҢңӨөҰұҮүҺһІі <b>'; DROP TABLE cases; --</b>"
    citizen = await settled(world)
    case = await citizen.apply(ISSUED.regulation, {"address": letters})
    await citizen.until(case, "registered")
    official = await world.official(region=ISSUED.region)
    await official.take(case)
    assert (await official.call("GET", f"/v1/cases/{case}"))["form"] == {"address": letters}


async def test_staff_of_another_region_do_not_see_the_case(world: Deployment) -> None:
    citizen = await settled(world)
    case = await citizen.apply(ISSUED.regulation, ISSUED.form)
    await citizen.until(case, "registered")
    stranger = await world.official(region="semey")
    answer = await stranger.send("GET", f"/v1/cases/{case}")
    assert (answer.status_code, answer.json()["code"]) == (404, "provider.case_unknown")


@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 1)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 3)", "17 3)"))
@pytest.mark.law(topic="quality", regulation="tayynsha-*")
async def test_one_citizen_never_sees_anothers_case(world: Deployment) -> None:
    citizen, other = await settled(world), await settled(world)
    case = await citizen.choose(ISSUED.regulation)
    answer = await other.send("GET", f"/v1/cases/{case}")
    assert (answer.status_code, answer.json()["code"]) == (404, "case.not_found")

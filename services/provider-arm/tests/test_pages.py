"""The page of a result, which the official signs as well: prepared, sealed, stored, sent; and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader
from sqlalchemy import func, select

from egovkit.barcodes import decode, unpack
from egovkit.pdf import codes_svg
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.pdf import check_pdf
from egovlaw.identifiers import synthetic_iin
from egovlaw.result_pages import NOT_SIGNED_ITSELF, SIGNED_ITSELF
from provider_arm.service import pages
from provider_arm.tables import page_drafts, result_pages

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service

KEY = "3f0f64a2-9a0e-4c56-9f61-111111111111"


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json()["side"] and answer.json()["remedy"]
    return answer.status_code, answer.json()["code"]


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass
class AtHand:
    """A result prepared and signed, and its page prepared."""

    case: str
    official: Official
    key: SigningKey
    document: bytes
    signature: str
    to_sign: bytes

    def sign(self, content: bytes, key: SigningKey | None = None) -> str:
        return b64(sign_cms(content, key or self.key, self.official.arm.clock.now()))

    async def issue(self, *, headers: dict[str, str] | None = None, **changed: Any) -> httpx.Response:
        wish = {"signature": self.signature, "page_signature": self.sign(self.to_sign), **changed}
        body = {name: value for name, value in wish.items() if value is not None}
        return await self.official.post(f"/v1/cases/{self.case}/result", body, **(headers or {}))


async def page_at_hand(arm: Arm) -> AtHand:
    arm.neighbours.stamps = arm.neighbours.stamps or arm.pki.stamping()
    case, official = await arm.submit(), await arm.appoint("executor", "authorised")
    await official.take(case)
    await official.check(case)
    key = official.certificate(bin_=arm.bin)
    document = base64.b64decode((await official.prepare(case, key)).json()["document"])
    signature = b64(sign_cms(document, key, arm.clock.now()))
    shown = await official.set_page(case, signature)
    assert shown.status_code == 200, shown.text
    to_sign = base64.b64decode(shown.json()["to_sign"])
    assert hashlib.sha256(to_sign).hexdigest() == shown.json()["sha256"]
    return AtHand(case, official, key, document, signature, to_sign)


async def pages_kept(arm: Arm) -> tuple[int, int]:
    """Drafts, and issued ones."""
    async with arm.ws.db.read() as conn:
        counts = [
            (await conn.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (page_drafts, result_pages)
        ]
    return counts[0], counts[1]


def stored(arm: Arm) -> list[bytes]:
    return [content for content in arm.neighbours.files.values() if content != arm.paper]


# --- the whole way ------------------------------------------------------------------------------------------------


async def test_the_signed_page_is_b_lta_goes_to_the_store_and_is_named_to_the_origin(arm: Arm, tmp_path: Path) -> None:
    held = await page_at_hand(arm)
    answer = await held.issue()
    assert (answer.status_code, answer.json()["state"]) == (200, "completed"), answer.text
    *_, completed = await arm.outgoing(3)
    [pdf] = stored(arm)
    assert completed.data["page"] == {"sha256": hashlib.sha256(pdf).hexdigest(), "size": len(pdf)}
    (signature,) = (await check_pdf(pdf, arm.pki.root, arm.clock.now())).signatures
    assert (signature.refusal, signature.ades, signature.level) == (None, "PASSED", "B-LTA")
    assert (signature.certificate, signature.reason) == (held.key.certificate, "26000000001")
    carried = unpack(decode([text for text in scanned(pdf, tmp_path) if "BarcodeElement" in text]))
    assert (carried.document, b64(carried.signature), carried.number) == (
        held.document, held.signature, "26000000001",
    )  # fmt: skip
    assert base64.b64decode(completed.data["signature"]) == carried.signature
    words = bare("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))
    for language in ("kk", "ru"):
        assert bare(SIGNED_ITSELF[language]) in words and bare(NOT_SIGNED_ITSELF[language]) not in words
    assert await pages_kept(arm) == (0, 1)


def bare(text: str) -> str:
    """Without spaces and breaks: where a line ends is the layout's business."""
    return re.sub(r"[\s\u200b]", "", text)


def scanned(pdf: bytes, folder: Path) -> list[str]:
    (folder / "page.pdf").write_bytes(pdf)
    command = ["pdftoppm", "-r", "150", "-gray", "-png", folder / "page.pdf", folder / "page"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    images = [Image.open(path) for path in sorted(folder.glob("page-*.png"))]
    return [found.text for image in images for found in zxingcpp.read_barcodes(image)]


async def test_the_desk_prints_the_very_bytes_and_the_look_is_recorded(arm: Arm) -> None:
    held = await page_at_hand(arm)
    path = f"/v1/cases/{held.case}/result.pdf"
    assert problem(await held.official.get(path)) == (404, "result.page_absent")
    await held.issue()
    shown = await held.official.get(path, reason="печать")
    assert shown.content == stored(arm)[0] and shown.headers["content-type"] == "application/pdf"
    assert "result-26000000001.pdf" in shown.headers["content-disposition"]
    again = {**held.official.headers, "if-none-match": shown.headers["etag"]}
    assert (await arm.http.get(path, headers=again)).status_code == 304
    head = await arm.appoint("head")
    reads = (await head.get("/v1/reads")).json()["items"]
    assert ("result.pdf", "печать") in [(one["what"], one["why"]) for one in reads]


async def test_a_case_of_our_own_desk_keeps_its_page_here(arm: Arm) -> None:
    """Nobody else asks for it, and of some desks ШЭП knows no case."""
    arm.neighbours.stamps = arm.pki.stamping()
    clerk = await arm.appoint("executor", "authorised", office="Орган")
    case = await clerk.filed()
    if (await clerk.take(case)).status_code == 200:
        await clerk.check(case)
    key = clerk.certificate(bin_=arm.bin)
    document = base64.b64decode((await clerk.prepare(case, key)).json()["document"])
    signature = b64(sign_cms(document, key, arm.clock.now()))
    to_sign = base64.b64decode((await clerk.set_page(case, signature)).json()["to_sign"])
    body = {"signature": signature, "page_signature": b64(sign_cms(to_sign, key, arm.clock.now()))}
    issued = await clerk.post(f"/v1/cases/{case}/result", body)
    assert issued.status_code == 200, issued.text
    assert stored(arm) == [] and await pages_kept(arm) == (0, 1)
    told = [one for one in await arm.outgoing(len(arm.sent)) if one.type == "kz.egov.case.completed.v1"]
    assert all("page" not in one.data for one in told)
    assert (await clerk.get(f"/v1/cases/{case}/result.pdf")).content.startswith(b"%PDF-")


async def test_nobody_waits_while_another_ones_codes_are_drawn(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of twelve takes half a second of a core."""
    drawn_in: list[threading.Thread] = []

    def draw(texts: list[str]) -> list[str]:
        drawn_in.append(threading.current_thread())
        return codes_svg(texts)

    monkeypatch.setattr("provider_arm.service.pages.codes_svg", draw)
    await page_at_hand(arm)
    assert len(drawn_in) == 1 and threading.main_thread() not in drawn_in


# --- without a page -----------------------------------------------------------------------------------------------


async def test_an_official_whose_agent_signs_once_issues_the_document_alone(arm: Arm) -> None:
    case, official = await arm.submit(), await arm.appoint("executor", "authorised")
    await official.take(case)
    await official.check(case)
    key = official.certificate()
    document = base64.b64decode((await official.prepare(case, key)).json()["document"])
    assert (await official.issue(case, document, key)).status_code == 200
    *_, completed = await arm.outgoing(3)
    assert "page" not in completed.data and stored(arm) == [] and await pages_kept(arm) == (0, 0)


async def test_a_prepared_page_is_not_forgotten_in_silence(arm: Arm) -> None:
    held = await page_at_hand(arm)
    assert problem(await held.issue(page_signature=None)) == (422, "result.page_signature_missing")
    assert problem(await held.issue(without_page=True)) == (422, "request.invalid")
    assert (await held.issue(page_signature=None, without_page=True)).status_code == 200
    *_, completed = await arm.outgoing(3)
    assert "page" not in completed.data and await pages_kept(arm) == (0, 0)


async def test_when_nobody_stamps_the_case_stays_as_it_was_and_the_result_can_go_alone(arm: Arm) -> None:
    held = await page_at_hand(arm)
    assert arm.neighbours.stamps is not None
    before = (await held.official.get(f"/v1/cases/{held.case}")).json()
    arm.neighbours.stamps.up = False
    failed = await held.issue()
    assert problem(failed) == (503, "result.page_not_sealed") and "without_page" in failed.json()["remedy"]
    assert (await held.official.get(f"/v1/cases/{held.case}")).json()["version"] == before["version"]
    assert stored(arm) == [] and await pages_kept(arm) == (1, 0) and len(arm.sent) == 2
    arm.neighbours.stamps.up = True
    assert (await held.issue()).status_code == 200


# --- twice --------------------------------------------------------------------------------------------------------


async def test_the_same_call_again_says_the_same_and_completes_once(arm: Arm) -> None:
    held = await page_at_hand(arm)
    wish = {"page_signature": held.sign(held.to_sign), "headers": {"idempotency_key": KEY}}
    first, again = await held.issue(**wish), await held.issue(**wish)
    assert first.status_code == 200 and again.json() == first.json()
    sent = await arm.outgoing(3)
    assert [one.type for one in sent].count("kz.egov.case.completed.v1") == 1 and len(stored(arm)) == 1


async def test_after_the_store_or_the_process_failed_the_same_page_is_sent(arm: Arm) -> None:
    """The PDF is kept once it is sealed: who comes again asks for no more stamps and stores no second page."""
    held = await page_at_hand(arm)
    assert arm.neighbours.stamps is not None
    wish = {"page_signature": held.sign(held.to_sign), "headers": {"idempotency_key": KEY}}
    arm.neighbours.broken = 503
    assert problem(await held.issue(**wish)) == (503, "attachment.store_unavailable")
    stamps = arm.neighbours.stamps.asked
    arm.neighbours.broken = None
    assert (await held.issue(**wish)).status_code == 200
    assert arm.neighbours.stamps.asked == stamps > 0
    *_, completed = await arm.outgoing(3)
    [pdf] = stored(arm)
    assert completed.data["page"]["sha256"] == hashlib.sha256(pdf).hexdigest()


# --- refused ------------------------------------------------------------------------------------------------------


async def test_a_page_needs_a_result_and_the_right_signature_of_it(arm: Arm) -> None:
    held = await page_at_hand(arm)
    assert problem(await held.official.set_page(held.case, held.sign(b"{}")))[1] == "signature.of_other_data"
    private = held.official.certificate(profile="person_sign")
    of_a_citizen = held.sign(held.document, private)
    assert problem(await held.official.set_page(held.case, of_a_citizen))[1] == "result.certificate_not_official"
    another = held.sign(held.document, held.official.certificate(bin_=arm.bin))
    assert problem(await held.official.set_page(held.case, another))[1] == "result.other_certificate"
    colleague = await arm.appoint("authorised")
    assert (await colleague.set_page(held.case, held.signature)).status_code in (403, 409)


async def test_the_pages_signature_is_judged_as_any_other(arm: Arm) -> None:
    held = await page_at_hand(arm)
    of_the_document = await held.issue(page_signature=held.signature)
    assert problem(of_the_document)[1] == "signature.of_other_data" and of_the_document.json()["signed"] == "page"
    other = held.official.certificate(bin_=arm.bin)
    assert problem(await held.issue(page_signature=held.sign(held.to_sign, other)))[1] == "result.other_certificate"
    stranger = arm.pki.person(synthetic_iin(5), profile="employee_sign", bin_=arm.bin)
    refused = await held.issue(page_signature=held.sign(held.to_sign, stranger))
    assert problem(refused)[1] == "certificate.of_another_person"
    assert problem(await held.issue(page_signature="AAAA"))[1] == "signature.cms_malformed"
    assert arm.neighbours.stamps is not None and arm.neighbours.stamps.asked == 0 and len(arm.sent) == 2


async def test_the_codes_on_the_page_carry_the_signature_that_is_issued(arm: Arm) -> None:
    held = await page_at_hand(arm)
    await arm.clock.advance(1)
    assert problem(await held.issue(signature=held.sign(held.document))) == (409, "result.page_of_other_signature")


async def test_preparing_the_result_anew_forgets_its_page(arm: Arm) -> None:
    held = await page_at_hand(arm)
    await arm.clock.advance(1)
    anew = base64.b64decode((await held.official.prepare(held.case, held.key)).json()["document"])
    wish = {"signature": held.sign(anew), "page_signature": held.sign(held.to_sign)}
    assert problem(await held.issue(**wish)) == (409, "result.page_not_prepared")
    assert (await held.issue(**wish | {"page_signature": None})).status_code == 200


async def test_a_page_too_large_for_an_attachment_is_told_before_it_is_signed(
    arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await page_at_hand(arm)
    monkeypatch.setattr(pages, "MAX_FILE", 100_000)
    refused = await held.official.set_page(held.case, held.signature)
    assert problem(refused) == (413, "result.page_too_large") and "100000" in refused.json()["detail"]

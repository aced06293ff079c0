"""A page signed by an official and made lasting by this НУЦ alone: its stamps, its lists, its root."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from egovkit.clock import HandClock
from egovkit.pdf import PdfTemplate
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.ocsp import OcspClient, read_answer
from egovkit.signatures.pdf import check_pdf, finish_page, gather_evidence, prepare_page, revocation_lists
from egovkit.signatures.stamps import StampService

pytestmark = pytest.mark.service

PAGE = '#set document(title: "Нәтиже")\n#set text(font: "PT Sans", lang: "kk")\n= Нәтиже'


async def test_a_page_stands_by_what_nuc_stamps_and_publishes(twin: Any, clock: HandClock, tmp_path: Path) -> None:
    issued = await twin.person(profile="employee_sign", bin="999940000010", organisation="Үлгілі бөлім")
    official = SigningKey.load(base64.b64decode(issued["pkcs12"]), "Qwerty12")
    (tmp_path / "page.typ").write_text(PAGE, encoding="utf-8")
    page = await PdfTemplate(tmp_path / "page.typ").render({}, clock.now())
    prepared = await prepare_page(page, clock.now(), reason="26000000001")
    cms = sign_cms(prepared.to_sign, official, clock.now())
    trust, began = await twin.trust(), clock.now()
    base = str(twin.http.base_url)
    signatures = DocumentSignatures(trust, OcspClient(twin.http, clock, base))
    facts = await signatures.verify(prepared.to_sign, cms, began, None)
    assert facts.refusal is None and facts.revocation is not None and facts.revocation.source == "ocsp", facts.ocsp
    root = x509.load_der_x509_certificate((await twin.http.get("/ca/root.cer")).content)
    evidence = await gather_evidence(twin.http, base, root, facts.revocation)
    said = read_answer(*evidence.ocsps)
    assert int(said.serial, 16) == int(issued["serial"], 16)
    assert (said.revoked, said.of(evidence.authorities[0])) == (False, True)
    stamper = StampService(twin.http, f"{base}/tsp")
    signed = await finish_page(prepared, cms, stamper, evidence, clock.now())
    await clock.advance(timedelta(days=30).total_seconds())
    assert (await twin.revoke(issued["serial"], "superseded")).status_code == 200
    lists = await revocation_lists(twin.http, base)
    (found,) = (await check_pdf(signed, root, clock.now(), lists)).signatures
    assert (found.ades, found.level, found.stamped, found.refusal) == ("PASSED", "B-LTA", True, None)
    assert abs(found.existed_at - began) < timedelta(seconds=2)


async def test_a_page_of_an_official_certified_before_the_authoritys_new_key_stands_too(
    twin: Any, clock: HandClock, tmp_path: Path
) -> None:
    issued = await twin.person(profile="employee_sign", bin="999940000010", organisation="Үлгілі бөлім")
    official = SigningKey.load(base64.b64decode(issued["pkcs12"]), "Qwerty12")
    assert (await twin.admin.post("/v1/authority/rotate")).is_success
    (tmp_path / "page.typ").write_text(PAGE, encoding="utf-8")
    page = await PdfTemplate(tmp_path / "page.typ").render({}, clock.now())
    prepared = await prepare_page(page, clock.now(), reason="26000000001")
    cms = sign_cms(prepared.to_sign, official, clock.now())
    base = str(twin.http.base_url)
    root = x509.load_der_x509_certificate((await twin.http.get("/ca/root.cer")).content)
    evidence = await gather_evidence(twin.http, base, root, None)
    assert len(evidence.authorities) == 2
    signed = await finish_page(prepared, cms, StampService(twin.http, f"{base}/tsp"), evidence, clock.now())
    (found,) = (await check_pdf(signed, root, clock.now(), await revocation_lists(twin.http, base))).signatures
    assert (found.ades, found.level, found.refusal) == ("PASSED", "B-LTA", None)

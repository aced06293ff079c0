"""PAdES B-LTA: made with a key no service holds, and read back by us, by pyHanko and by poppler's pdfsig."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pypdf import PdfReader

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.pdf import PdfTemplate
from egovkit.signatures import pdf as pdf_module
from egovkit.signatures.asn1 import cms as asn1_cms
from egovkit.signatures.authority import PROFILES
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.pdf import (
    MAX_PDF,
    Evidence,
    PreparedPage,
    check_pdf,
    finish_page,
    gather_evidence,
    prepare_page,
)
from egovkit.signatures.revocation import RevocationStatus
from egovkit.signatures.stamps import StampService
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import OcspAnswer, bent, ocsp_failure, resigned

pytestmark = pytest.mark.unit

ALLOW_SKIP = os.environ.get("EGOV_ALLOW_SKIP") == "1"
IIN = "990101600017"
TEMPLATE = """
#let data = json(bytes(sys.inputs.data))
#set document(title: data.title)
#set text(font: "PT Sans", lang: "kk")
= #data.title
"""


@dataclass
class Office:
    """An official with his key, НУЦ, and who stamps."""

    clock: HandClock
    pki: TestPki
    official: SigningKey
    stamper: Any
    page: bytes

    def evidence(self, **changed: Any) -> Evidence:
        made = Evidence(self.pki.root, [self.pki.issuing], [self.pki.crl(), self.pki.root_crl()])
        return replace(made, **changed)

    async def signed(self, **evidence: Any) -> bytes:
        prepared = await prepare_page(self.page, self.clock.now(), reason="26000000001")
        cms = sign_cms(prepared.to_sign, self.official, self.clock.now())
        return await finish_page(prepared, cms, self.stamper, self.evidence(**evidence), self.clock.now())

    async def facts(self, pdf: bytes) -> pdf_module.PdfSignature:
        (one,) = (await check_pdf(pdf, self.pki.root, self.clock.now())).signatures
        return one


@pytest.fixture
async def office(tmp_path: Path, clock: HandClock) -> Office:
    (tmp_path / "page.typ").write_text(TEMPLATE, encoding="utf-8")
    page = await PdfTemplate(tmp_path / "page.typ").render({"title": "Нәтиже №1"}, clock.now())
    pki = TestPki(clock)
    usage = replace(PROFILES["employee_sign"], ocsp="http://nuc/ocsp")
    official = pki.person(IIN, "ҮЛГІЛІ", "ДӘУРЕН", usage=usage, bin_="999940000010")
    return Office(clock, pki, official, pki.stamper(), page)


async def test_what_the_official_signs_is_a_document_like_any_other(office: Office) -> None:
    prepared = await prepare_page(office.page, office.clock.now())
    cms = sign_cms(prepared.to_sign, office.official, office.clock.now())
    facts = await DocumentSignatures(office.pki.trust()).verify(prepared.to_sign, cms, office.clock.now(), IIN)
    assert facts.refusal is None and prepared.pdf.startswith(office.page)
    assert len(prepared.to_sign) == len(prepared.pdf) - (prepared.end - prepared.start)


async def test_the_page_becomes_b_lta_and_we_believe_it(office: Office) -> None:
    found = await office.facts(await office.signed())
    assert (found.intact, found.unchanged, found.refusal) == (True, True, None)
    assert (found.ades, found.level, found.stamped) == ("PASSED", "B-LTA", True)
    assert (found.certificate, found.reason) == (office.official.certificate, "26000000001")
    assert found.existed_at == found.claimed_at == office.clock.now().replace(microsecond=0)


async def test_the_signed_page_stays_an_archive_for_every_reader(office: Office) -> None:
    """Fields of signature and stamp are annotations: PDF/A-2, 6.3.2 wants them printed and not hidden; PDF/UA-1, 7.18
    leaves alone those outside the page, on pages whose tabs follow the structure."""
    reader = PdfReader(io.BytesIO(await office.signed()))
    root: Any = reader.trailer["/Root"].get_object()
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert re.search(r'pdfaid:part="2" pdfaid:conformance="A" pdfuaid:part="1"', metadata), metadata
    assert "NeedAppearances" not in root["/AcroForm"] and root["/MarkInfo"]["/Marked"] and root["/Lang"] == "kk"
    page: Any = reader.pages[0]
    fields = [one.get_object() for one in page["/Annots"]]
    assert len(fields) == 2 and page["/Tabs"] == "/S"
    for field in fields:
        printed, unseen = field["/F"] & 4, field["/F"] & (1 | 2 | 32 | 256)
        assert printed and not unseen and all(float(one) < 0 for one in field["/Rect"]), field


# --- evidence and long time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [20, 400, 3000])
async def test_it_stands_years_later_by_what_is_known_of_revocation_then(office: Office, days: int) -> None:
    signed, began = await office.signed(), office.clock.now()
    await office.clock.advance(days * 86400)
    lists = [office.pki.crl(timedelta(days=1)), office.pki.root_crl(timedelta(days=1))]
    (found,) = (await check_pdf(signed, office.pki.root, office.clock.now(), lists)).signatures
    assert (found.ades, found.existed_at, found.stamped) == ("PASSED", began, True)


async def test_a_certificate_revoked_after_the_stamp_does_not_undo_the_signature(office: Office) -> None:
    signed = await office.signed()
    await office.clock.advance(3600)
    office.pki.revoke(office.official.certificate)
    await office.clock.advance(3600)
    (found,) = (await check_pdf(signed, office.pki.root, office.clock.now(), [office.pki.crl()])).signatures
    assert (found.ades, found.refusal, found.stamped) == ("PASSED", None, True)


async def test_another_root_is_not_believed(office: Office) -> None:
    signed = await office.signed()
    (found,) = (await check_pdf(signed, TestPki(office.clock).root, office.clock.now())).signatures
    assert found.intact and found.ades != "PASSED" and not found.stamped


async def test_a_revoked_or_unknown_certificate_gets_no_evidence(office: Office) -> None:
    prepared = await prepare_page(office.page, office.clock.now())
    cms = sign_cms(prepared.to_sign, office.official, office.clock.now())
    office.pki.revoke(office.official.certificate)
    for crls in ([office.pki.crl()], []):
        with pytest.raises(EgovError, match=r"pdf\.not_sealed"):
            await finish_page(prepared, cms, office.stamper, office.evidence(crls=crls), office.clock.now())


async def test_a_signature_too_long_for_its_place_is_refused(office: Office) -> None:
    prepared = await prepare_page(office.page, office.clock.now())
    cms = sign_cms(prepared.to_sign, office.official, office.clock.now())
    narrow = PreparedPage(prepared.pdf, prepared.start, prepared.start + 200)
    with pytest.raises(EgovError, match="does_not_fit"):
        await finish_page(narrow, cms, office.stamper, office.evidence(), office.clock.now())


async def test_a_stamper_that_refuses_is_named(office: Office) -> None:
    rejection, kind = b"\x30\x05\x30\x03\x02\x01\x02", {"content-type": "application/timestamp-reply"}
    refusing = httpx.MockTransport(lambda _: httpx.Response(200, content=rejection, headers=kind))
    office.stamper = StampService(httpx.AsyncClient(transport=refusing), "http://nuc/tsp")
    with pytest.raises(EgovError, match=r"stamp\.refused"):
        await office.signed()


async def test_nuc_tells_all_the_evidence_a_page_needs(office: Office) -> None:
    files = {
        "/ca/issuing.cer": office.pki.issuing.public_bytes(Encoding.DER),
        "/crl": office.pki.crl(),
        "/crl/root": office.pki.root_crl(),
    }

    def nuc(request: httpx.Request) -> httpx.Response:
        found = files.get(request.url.path)
        return httpx.Response(404) if found is None else httpx.Response(200, content=found)

    async with httpx.AsyncClient(transport=httpx.MockTransport(nuc)) as http:
        found = await gather_evidence(http, "http://nuc/", office.pki.root, None)
        assert found == Evidence(office.pki.root, (office.pki.issuing,), (files["/crl"], files["/crl/root"]))
        del files["/crl/root"]
        assert (await gather_evidence(http, "http://nuc", office.pki.root, None)).crls == (files["/crl"],)
        del files["/crl"]
        with pytest.raises(EgovError, match=r"service\.unavailable"):
            await gather_evidence(http, "http://nuc", office.pki.root, None)


def answer(office: Office, responder: SigningKey, about: SigningKey, **changed: Any) -> bytes:
    said = OcspAnswer(about.certificate, office.pki.issuing, office.clock.now(), **changed)
    return said.signed(responder, b"n" * 32)


async def test_the_answer_an_official_was_judged_by_goes_into_his_page(office: Office) -> None:
    reply = answer(office, office.pki.responder(), office.official)
    word = RevocationStatus("ocsp", office.clock.now(), office.clock.now(), answer=reply)
    nuc = httpx.MockTransport(
        lambda request: httpx.Response(
            200, content=der(office.pki.issuing) if "issuing" in str(request.url) else office.pki.crl()
        )
    )
    async with httpx.AsyncClient(transport=nuc) as http:
        evidence = await gather_evidence(http, "http://nuc", office.pki.root, word)
        assert evidence.ocsps == (reply,)
        listed = replace(word, source="crl", answer=None)
        assert (await gather_evidence(http, "http://nuc", office.pki.root, listed)).ocsps == ()
    signed = await office.signed(ocsps=evidence.ocsps)
    assert embedded_answers(signed) == [reply] and embedded_answers(await office.signed()) == []
    found = await office.facts(signed)
    assert (found.ades, found.level, found.refusal) == ("PASSED", "B-LTA", None)
    await office.clock.advance(3000 * 86400)
    lists = [office.pki.crl(timedelta(days=1)), office.pki.root_crl(timedelta(days=1))]
    (later,) = (await check_pdf(signed, office.pki.root, office.clock.now(), lists)).signatures
    assert (later.ades, later.stamped) == ("PASSED", True)


def embedded_answers(pdf: bytes) -> list[bytes]:
    """What stands in the file's /DSS."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    held = PdfFileReader(io.BytesIO(pdf)).root["/DSS"]
    return [held["/OCSPs"][n].data for n in range(len(held["/OCSPs"]))] if "/OCSPs" in held else []


async def test_answers_alone_make_a_page_last_and_bad_ones_do_not(office: Office) -> None:
    """Without a list of the issuing authority answers have to tell everything; besides one, what is no good answer is
    harmless, and one that says revoked is not."""
    authority = office.pki.stamping(usage=replace(PROFILES["stamping"], ocsp="http://nuc/ocsp"))
    office.stamper = StampService(httpx.AsyncClient(transport=httpx.MockTransport(authority.answer)), "http://nuc/tsp")
    responder, other = office.pki.responder(), office.pki.person("991231600022")
    of_stamps, alone = answer(office, responder, authority.key), [office.pki.root_crl()]
    good = answer(office, responder, office.official)
    assert (await office.facts(await office.signed(crls=alone, ocsps=(good, of_stamps)))).ades == "PASSED"
    bad = {
        "revoked": answer(office, responder, office.official, said="revoked"),
        "of another": answer(office, responder, other),
        "by a stranger": answer(office, TestPki(office.clock).responder(), office.official),
        "by who may not": answer(office, other, office.official),
        "stale": answer(office, responder, office.official, life=timedelta(minutes=-10)),
        "garbage": b"0\x03\x0a\x01\x00",
        "an error": ocsp_failure("try_later"),
        "absent": of_stamps,
    }
    for how, reply in bad.items():
        with pytest.raises(EgovError) as caught:
            await office.signed(crls=alone, ocsps=(reply, of_stamps))
        assert caught.value.code == "pdf.not_sealed", how
    with pytest.raises(EgovError, match=r"pdf\.not_sealed"):
        await office.signed(ocsps=(bad["revoked"],))
    assert (await office.facts(await office.signed(ocsps=(bad["of another"],)))).ades == "PASSED"


# --- what we refuse to read -----------------------------------------------------------------------------------


async def refused(office: Office, pdf: bytes) -> str:
    with pytest.raises(EgovError) as caught:
        await check_pdf(pdf, office.pki.root, office.clock.now())
    return caught.value.code


def updated(pdf: bytes, change: Callable[[Any], None]) -> bytes:
    """As an editor saves it: the old bytes, and a new revision behind them."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer, out = IncrementalPdfFileWriter(io.BytesIO(pdf)), io.BytesIO()
    change(writer)
    writer.write(out)
    return out.getvalue()


def over_the_page(writer: Any) -> None:
    from pyhanko.pdf_utils.generic import StreamObject

    writer.add_stream_to_page(0, writer.add_object(StreamObject(stream_data=b"0 0 500 500 re f")))


def another_title(writer: Any) -> None:
    from pyhanko.pdf_utils.generic import pdf_string

    info = writer.trailer["/Info"]
    info["/Title"] = pdf_string("Бас тарту")
    writer.update_container(info)


def another_title_in_xmp(writer: Any) -> None:
    from pyhanko.pdf_utils.metadata.model import DocumentMetadata

    writer.root["/Metadata"].update_xmp_with_meta(DocumentMetadata(title="Бас тарту"))
    writer.update_container(writer.root["/Metadata"])


def another_language(writer: Any) -> None:
    from pyhanko.pdf_utils.generic import pdf_name, pdf_string

    writer.root[pdf_name("/Lang")] = pdf_string("en")
    writer.update_root()


@pytest.mark.parametrize("change", [over_the_page, another_language, another_title, another_title_in_xmp])
async def test_a_page_edited_after_signing_is_found(office: Office, change: Callable[[Any], None]) -> None:
    found = await office.facts(updated(await office.signed(), change))
    assert (found.intact, found.unchanged, found.refusal) == (True, False, "pdf.changed")


async def test_bytes_behind_the_end_are_found(office: Office) -> None:
    assert (await office.facts(await office.signed() + b"\n% more\n")).refusal == "pdf.changed"


@pytest.mark.parametrize("at", ["evidence", "stamp", "behind_stamp"])
async def test_a_byte_changed_behind_the_signature_breaks_the_stamp_over_all(office: Office, at: str) -> None:
    """The signature's own stamp holds, and lists of today prove what the file's evidence no longer does."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    signed = bytearray(await office.signed())
    stamp = PdfFileReader(io.BytesIO(signed)).embedded_timestamp_signatures[0]
    places = {
        "evidence": signed.rindex(b"http://www.aiim.org/pdfua"),
        "stamp": signed.index(stamp.signer_info["signature"].native.hex().upper().encode()) + 80,
        "behind_stamp": stamp.byte_range[2] - 20,
    }
    signed[places[at]] = ord("5") if signed[places[at]] != ord("5") else ord("6")
    found = await office.facts(bytes(signed))
    assert (found.intact, found.unchanged, found.refusal) == (True, False, "pdf.changed")


async def test_a_changed_byte_breaks_the_signature(office: Office) -> None:
    signed = await office.signed()
    found = await office.facts(signed.replace(b"/Pages/Count 1", b"/Pages/Count 2", 1))
    assert (found.intact, found.refusal) == (False, "signature.invalid")


async def test_a_signature_of_another_page_is_not_intact(office: Office) -> None:
    prepared = await prepare_page(office.page, office.clock.now())
    cms = sign_cms(prepared.to_sign + b" ", office.official, office.clock.now())
    signed = await finish_page(prepared, cms, office.stamper, office.evidence(), office.clock.now())
    assert (await office.facts(signed)).refusal == "signature.invalid"


async def filled(office: Office, change: Callable[[bytes], bytes]) -> bytes:
    """A page whose place for the signature holds what `change` makes of an honest one."""
    page = await prepare_page(office.page, office.clock.now())
    cms = change(sign_cms(page.to_sign, office.official, office.clock.now()))
    place = cms.hex().encode().ljust(page.end - page.start - 2, b"0")
    return page.pdf[: page.start + 1] + place + page.pdf[page.end - 1 :]


async def test_an_honest_signature_in_its_place_is_believed(office: Office) -> None:
    found = await office.facts(await filled(office, lambda cms: cms))
    assert (found.refusal, found.level) == (None, "B-B")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unnamed", "no_signing_certificate"),
        ("sha1", "unknown_digest"),
        ("bare", "no_attributes"),
        ("tail", "bytes_after"),
    ],
)
async def test_a_page_is_no_way_around_the_checks_of_a_signature(office: Office, name: str, reason: str) -> None:
    """What is refused over a document is refused in a PDF."""

    def changed(cms: bytes) -> bytes:
        if name == "tail":
            return cms + b"\0\0\x01"
        if name == "unnamed":
            return resigned(
                cms,
                office.official,
                lambda told: [one for one in told if one["type"].native != "signing_certificate_v2"],
            )
        return bent(cms, _bare if name == "bare" else _sha1)

    def _bare(content: Any, signer: Any) -> None:
        kept = {one: signer[one] for one in ("version", "sid", "digest_algorithm", "signature_algorithm", "signature")}
        content["signer_infos"] = [asn1_cms.SignerInfo(kept)]

    def _sha1(_: Any, signer: Any) -> None:
        signer["digest_algorithm"] = {"algorithm": "sha1"}

    with pytest.raises(EgovError) as caught:
        await office.facts(await filled(office, changed))
    assert (caught.value.code, caught.value.params["reason"]) == ("signature.cms_malformed", reason)


async def test_earlier_revisions_say_of_themselves_how_much_they_prove(office: Office) -> None:
    parts = (await office.signed()).split(b"%%EOF\n")
    seen = {}
    for count in range(1, len(parts)):
        found = await office.facts(b"".join(part + b"%%EOF\n" for part in parts[:count]))
        seen[found.level] = (found.refusal, found.ades == "PASSED", found.stamped)
    assert seen["B-LTA"] == (None, True, True) and seen["B-T"] == (None, False, False)


async def test_a_page_nobody_signed_is_refused(office: Office) -> None:
    assert await refused(office, office.page) == "pdf.not_signed"
    assert await refused(office, (await prepare_page(office.page, office.clock.now())).pdf) == "pdf.unreadable"


@pytest.mark.parametrize("pdf", [b"", b"PK\x03\x04", b"%PDF-1.7\n%%EOF\n", b"%PDF-1.7\n" + b"\x00" * 9000])
async def test_what_is_no_pdf_is_refused(office: Office, pdf: bytes) -> None:
    assert await refused(office, pdf) == "pdf.unreadable"


async def test_a_file_cut_short_is_refused(office: Office) -> None:
    assert await refused(office, (await office.signed())[:-9000]) == "pdf.unreadable"


async def test_an_encrypted_file_is_refused(office: Office) -> None:
    from pyhanko.pdf_utils.crypt import StandardSecurityHandler
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    reader, out = PdfFileReader(io.BytesIO(office.page)), io.BytesIO()
    writer = copy_into_new_writer(reader)
    writer._assign_security_handler(StandardSecurityHandler.build_from_pw("owner", "user"))
    writer.write(out)
    assert await refused(office, out.getvalue()) == "pdf.encrypted"


async def test_a_file_with_two_tables_of_contents_is_refused(office: Office) -> None:
    pdf = office.page
    stream = b"99 0 obj\n<</Type/XRef/Size 1/W[1 1 1]/Index[0 1]/Length 3>>\nstream\n\x00\x00\x00\nendstream\nendobj\n"
    at = pdf.rindex(b"xref\n", 0, pdf.rindex(b"startxref"))
    hybrid = pdf[:at] + stream + pdf[at:]
    hybrid = hybrid.replace(b"trailer\n<<", b"trailer\n<</XRefStm %d" % at)
    hybrid = re.sub(rb"startxref\n\d+", b"startxref\n%d" % (at + len(stream)), hybrid)
    assert await refused(office, hybrid) == "pdf.hybrid"


def bomb(size: int) -> bytes:
    """Its table of contents is a stream that unfolds to `size` bytes."""
    packer = zlib.compressobj(9)
    data = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])
    head = b"%PDF-1.7\n"
    made = b"1 0 obj\n<</Type/XRef/Size %d/W[1 1 1]/Root 2 0 R/Filter/FlateDecode/Length %d>>\nstream\n"
    body = made % (size // 3, len(data)) + data + b"\nendstream\nendobj\n"
    return head + body + b"startxref\n%d\n%%%%EOF\n" % len(head)


@pytest.mark.parametrize("megabytes", [60, 2000])
async def test_a_table_of_contents_that_unfolds_into_gigabytes_is_refused(office: Office, megabytes: int) -> None:
    assert await refused(office, bomb(megabytes << 20)) == "pdf.too_complex"


async def test_a_file_longer_than_any_of_ours_is_refused_unread(office: Office) -> None:
    assert await refused(office, b"%PDF-1.7" + bytes(MAX_PDF)) == "pdf.too_complex"


async def test_a_reader_that_takes_too_long_is_ended(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = await office.signed()
    monkeypatch.setattr(pdf_module, "SECONDS", 0.01)
    assert await refused(office, signed) == "pdf.too_complex"


async def test_a_reader_without_memory_is_an_answer_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = await office.signed()
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert await refused(office, signed) == "pdf.too_complex"


# --- other people's programs ----------------------------------------------------------------------------------


def pdfsig(pdf: bytes, tmp_path: Path) -> str:
    path = tmp_path / "page.pdf"
    path.write_bytes(pdf)
    return subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout


@pytest.mark.skipif(shutil.which("pdfsig") is None and ALLOW_SKIP, reason="pdfsig (poppler-utils) is not here")
async def test_pdfsig_accepts_what_we_make_and_refuses_what_was_changed(office: Office, tmp_path: Path) -> None:
    signed = await office.signed(ocsps=(answer(office, office.pki.responder(), office.official),))
    said = pdfsig(signed, tmp_path)
    for line in ("Signature Type: ETSI.CAdES.detached", "Signature is Valid.", "ҮЛГІЛІ ДӘУРЕН", "SHA-256"):
        assert line in said
    changed = pdfsig(signed.replace(b"/Pages/Count 1", b"/Pages/Count 2", 1), tmp_path)
    assert "Signature is Valid" not in changed and "Digest Mismatch" in changed

"""Every output document as people see it: PDF/A-2a and PDF/UA-1, all its words on the page, the look of each form."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageChops, ImageStat
from pypdf import PdfReader
from typer.testing import CliRunner

from egovkit.barcodes import Carried, decode, unpack
from egovkit.clock import HandClock
from egovkit.pdf import DocumentPages, codes_of
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.pdf import Evidence, check_pdf, finish_page, prepare_page
from egovkit.testing.pki import TestPki
from egovlaw.outputs import LANGUAGES, Language, Output, OutputForm, Outputs
from sandbox.cli import app
from sandbox.form_examples import AT, DPI, Filled, example_page, outputs, picture_name, pictures_of

PICTURES = Path(__file__).with_name("pictures")
BLOCK = 8  # pixels; a line of text is some three high at this size
TOLERANCE = 24  # mean difference of one block, of 255: fonts of another rasteriser, never a line moved
QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
FOUND = outputs()


@pytest.fixture(scope="module")
def found() -> Outputs:
    return FOUND


@pytest.fixture(scope="module")
def pages() -> DocumentPages:
    return DocumentPages()


def bare(text: str) -> str:
    """Without spaces and breaks: where a line ends is the layout's business."""
    return re.sub(r"[\s\u200b]", "", text)


def read_back(made: bytes) -> str:
    raw = subprocess.run(["pdftotext", "-raw", "-", "-"], input=made, check=True, capture_output=True).stdout
    return bare(raw.decode("utf-8"))


def fixed_words(page: dict[str, Any]) -> list[str]:
    """Every sentence of the document that is not drawn: of its form, its notes and what all documents share."""
    said = [page["heading"]["kk"], page["heading"]["ru"], page["training"]["kk"], page["training"]["ru"]]
    said += [page[name][0][language] for name in ("number", "issued") for language in LANGUAGES]
    said += [note[language] for note in page["notes"] for language in page["languages"]]
    said += [row["value"][language] for row in page["facts"] for language in page["languages"]]
    for part in page["parts"]:
        for item in part["body"]:
            said += [text for text, _ in item.get("runs", ())] + item.get("items", [])
            said += item.get("head", []) + [cell for row in item.get("rows", ()) for cell in row]
    return said


def render(pages: DocumentPages, page: dict[str, Any]) -> bytes:
    return asyncio.run(pages.render(page, AT))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("output", FOUND.all, ids=lambda one: one.code)
def test_every_document_is_an_archive_for_every_reader_and_says_all_its_words(
    pages: DocumentPages, output: Output, language: Language
) -> None:
    page = example_page(FOUND, output, [language])
    made = render(pages, page)
    root: Any = PdfReader(io.BytesIO(made)).trailer["/Root"].get_object()
    assert root["/Lang"] == language and root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in metadata and "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    text = read_back(made)
    wanted = fixed_words(page)
    assert len(wanted) > 10
    for words in wanted:
        assert bare(words) in text, words
    assert "[U+" not in text


@pytest.mark.parametrize("filled", ["empty", "long"])
@pytest.mark.parametrize("form", FOUND.forms, ids=lambda one: one.file)
def test_without_values_and_with_too_many_nothing_is_lost(
    pages: DocumentPages, form: OutputForm, filled: Filled
) -> None:
    output = next(one for one in FOUND.all if one.form is form)
    page = example_page(FOUND, output, filled=filled)
    made = render(pages, page)
    text = read_back(made)
    wanted = fixed_words(page)
    for words in wanted:
        # A foot may stand in the middle of what is longer than its page.
        assert bare(words) in text or all(bare(one) in text for one in words.split() if len(words) > 250), words
    assert ("__________" in text) is ("__________" in str(page["parts"]))
    if filled == "long":
        rows = [value for part in page["parts"] for _, value in part["values"]["rows"]]
        texts = [part["text"][1] for part in page["parts"] if part["text"]]
        count = sum(bare(words).count("оченьдлинныйтекст") for words in (*wanted, *rows, *texts))
        assert count >= 100 and text.count("оченьдлинныйтекст") >= count - len(PdfReader(io.BytesIO(made)).pages)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", FOUND.forms, ids=lambda one: one.file)
def test_every_form_looks_as_it_did(found: Outputs, pages: DocumentPages, form: OutputForm, language: Language) -> None:
    """After a change that is meant: `egov forms pictures tests/forms/pictures`, and look at them."""
    drawn = pictures_of(found, pages, form, language)
    for number, content in enumerate(drawn, start=1):
        kept = PICTURES / picture_name(form, language, number)
        assert kept.exists(), f"no picture of page {number} of this form yet"
        worst = difference(kept.read_bytes(), content)
        assert worst <= TOLERANCE, (number, worst)
    assert not (PICTURES / picture_name(form, language, len(drawn) + 1)).exists(), "a page is gone"


def difference(one: bytes, other: bytes) -> float:
    """The greatest mean difference of any block, or 255 where the sizes differ."""
    left, right = (Image.open(io.BytesIO(content)).convert("L") for content in (one, other))
    if left.size != right.size:
        return 255.0
    changed = ImageChops.difference(left, right)
    width, height = changed.size
    boxes = (
        (x, y, min(x + BLOCK, width), min(y + BLOCK, height))
        for y in range(0, height, BLOCK)
        for x in range(0, width, BLOCK)
    )
    return max(ImageStat.Stat(changed.crop(box)).mean[0] for box in boxes)


def test_the_comparison_sees_a_moved_line_another_form_and_another_language(
    found: Outputs, pages: DocumentPages
) -> None:
    form, other = found.forms[-2:]
    ru = pictures_of(found, pages, form, "ru")[0]
    assert difference(ru, ru) == 0.0
    assert difference(ru, pictures_of(found, pages, form, "kk")[0]) > TOLERANCE
    assert difference(ru, pictures_of(found, pages, other, "ru")[0]) > TOLERANCE
    image = Image.open(io.BytesIO(ru))
    moved = io.BytesIO()
    ImageChops.offset(image, 0, 2).save(moved, "PNG")
    assert difference(ru, moved.getvalue()) > TOLERANCE


def test_the_pictures_are_those_of_the_forms_and_small(found: Outputs) -> None:
    names = {picture_name(form, language) for form in found.forms for language in LANGUAGES}
    assert {re.sub(r"\.\d+\.png$", ".png", path.name) for path in PICTURES.glob("*")} == names
    assert sum(path.stat().st_size for path in PICTURES.glob("*")) < 1_500_000 and DPI == 25


@pytest.mark.parametrize("count", [0, 1, 6, 12])
def test_codes_of_the_greatest_length_read_back_from_the_page(
    found: Outputs, pages: DocumentPages, tmp_path: Path, count: int
) -> None:
    codes = [f"{number:02d}" + "aB3/+=<>" * 150 for number in range(count)]
    output = found.coded("semey-housing-queue.positive")
    assert output is not None
    page = example_page(found, output, codes=codes)
    assert (page["notes"][-1]["ru"].startswith("*Штрих-код")) is (count > 0)
    (tmp_path / "page.pdf").write_bytes(render(pages, page))
    assert sorted(scanned(tmp_path)) == codes


@pytest.mark.parametrize("form", [one for one in FOUND.forms if one.layout == "decision"], ids=lambda one: one.file)
async def test_every_signed_document_holds_for_other_programs(
    found: Outputs, pages: DocumentPages, form: OutputForm, tmp_path: Path
) -> None:
    """Codes with the document and its signature, the page signed too: as the scanner, pdfsig and pyHanko have it."""
    pki = TestPki(HandClock(AT))
    official = pki.person("990101600017", "ҮЛГІЛІ", "БОЛАТ", bin_="999940000010", profile="employee_sign")
    document = json.dumps({"form": form.file, "text_kk": "Сіз есепке қойылдыңыз. " * 20}, ensure_ascii=False).encode()
    carried = Carried(document, sign_cms(document, official, AT), "13000000017")
    output = next(one for one in found.all if one.form is form)
    page = example_page(found, output, codes=codes_of(carried, AT))
    prepared = await prepare_page(await pages.render(page, AT), AT, reason=carried.number)
    evidence = Evidence(pki.root, [pki.issuing], [pki.crl(), pki.root_crl()])
    made = await finish_page(prepared, sign_cms(prepared.to_sign, official, AT), pki.stamper(), evidence, AT)
    (tmp_path / "page.pdf").write_bytes(made)
    assert unpack(decode(scanned(tmp_path))) == carried
    said = pdfsig(tmp_path)
    assert "Signature is Valid." in said and "Signature Type: ETSI.CAdES.detached" in said
    (signature,) = (await check_pdf(made, pki.root, AT)).signatures
    assert (signature.refusal, signature.ades, signature.level) == (None, "PASSED", "B-LTA")


def pdfsig(folder: Path) -> str:
    return subprocess.run(["pdfsig", "page.pdf"], cwd=folder, capture_output=True, text=True, check=False).stdout


def scanned(folder: Path) -> list[str]:
    """What a scanner reads off the pages of page.pdf: drawn by poppler, read by zxing-cpp. Of QR codes alone: now and
    then it takes lines of print for a code of stripes."""
    subprocess.run(["pdftoppm", "-r", "150", "-gray", "-png", "page.pdf", "page"], cwd=folder, check=True)
    return [code.text for one in sorted(folder.glob("*.png")) for code in zxingcpp.read_barcodes(Image.open(one), QR)]


def test_the_command_lists_and_renders(tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["forms", "list"])
    assert listed.exit_code == 0 and len(listed.output.splitlines()) == len(FOUND.all)
    assert "semey-housing-queue.positive  Приложение 3  printed by the act" in listed.output
    file = tmp_path / "x.pdf"
    made = runner.invoke(app, ["forms", "render", "wko-oralman-status.positive", "--lang", "kk", "-o", str(file)])
    assert made.exit_code == 0
    assert bare("оралман куәлігі") in read_back(file.read_bytes())
    unknown = runner.invoke(app, ["forms", "render", "nothing.positive", "-o", str(file)])
    assert unknown.exit_code == 2 and "egov forms list" in unknown.output


def test_the_page_of_forms_is_the_one_in_the_docs(tmp_path: Path) -> None:
    page = next(p for p in Path(__file__).parents if (p / "contracts").exists()) / "docs/reference/forms.md"
    made = CliRunner().invoke(app, ["forms", "page", str(tmp_path / "forms.md")])
    assert made.exit_code == 0
    assert page.read_text(encoding="utf-8") == (tmp_path / "forms.md").read_text(encoding="utf-8"), (
        "egov forms page docs/reference/forms.md"
    )

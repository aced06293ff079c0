"""Templates filled in as PDF: what people wrote stays text, every letter has its glyph, the same bytes twice."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.pdf import FONTS, PdfTemplate, covered, qr_svg

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"
SOURCE = """
#let data = json(bytes(sys.inputs.data))
#set document(title: "Сынақ")
#set text(font: ("PT Sans", "Noto Sans"), lang: "kk")
= Сынақ
#data.text
#strong(data.text)
#if "qr" in data { image(bytes(data.qr), format: "svg", alt: "QR") }
"""


@pytest.fixture
def template(tmp_path: Path) -> PdfTemplate:
    source = tmp_path / "page.typ"
    source.write_text(SOURCE, encoding="utf-8")
    return PdfTemplate(source)


async def text_of(template: PdfTemplate, text: str, **more: Any) -> str:
    """What a reader finds in the PDF, without the line breaks the page made."""
    made = await template.render({"text": text, **more}, AT)
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(made)).pages).replace("\n", "")


def every_font() -> list[Path]:
    return [font for name in FONTS for font in Path(str(files(name) / "files")).glob("*.ttf")]


def fonts_of(made: bytes) -> set[str]:
    found = set()
    for page in PdfReader(io.BytesIO(made)).pages:
        for font in page["/Resources"].get_object().get("/Font", {}).values():
            found.add(str(font.get_object()["/BaseFont"]).partition("+")[2])
    return found


async def test_every_kazakh_letter_is_set_in_the_first_font(template: PdfTemplate) -> None:
    assert KAZAKH in await text_of(template, KAZAKH)
    assert fonts_of(await template.render({"text": KAZAKH}, AT)) == {"PTSans-Regular", "PTSans-Bold"}


async def test_what_the_first_font_lacks_comes_from_the_last_and_never_from_the_machine(template: PdfTemplate) -> None:
    assert "100 ₸" in await text_of(template, "100 ₸")
    fonts = fonts_of(await template.render({"text": "₸"}, AT))
    assert any(name.startswith("NotoSans") for name in fonts)
    assert all(name.startswith(("PTSans", "NotoSans")) for name in fonts)


@pytest.mark.parametrize(
    "text",
    [
        '#import "@preview/x:1.0.0": *',
        "#panic(1) *bold* _it_ `raw` $x^2$",
        "@ref <label> = heading",
        "<script>alert(1)</script> '; DROP TABLE cases; --",
        'back\\slash \\u{41} {"a": 1} %s {0}',
        "// comment /* and */ another",
    ],
)
async def test_markup_stays_text(template: PdfTemplate, text: str) -> None:
    assert text.replace(" ", "") in (await text_of(template, text)).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a[U+202E]b"),  # turns the reading direction round: a name could show another one
        ("a\u200bb", "a[U+200B]b"),
        ("a\x00b\x1b", "a[U+0000]b[U+001B]"),
        ("😀", "[U+1F600]"),
        ("漢字", "[U+6F22][U+5B57]"),
        ("\ue000", "[U+E000]"),
        ("\ud800", "[U+D800]"),  # half a pair has no UTF-8 form
    ],
)
async def test_what_cannot_be_seen_is_shown_by_its_number(template: PdfTemplate, text: str, shown: str) -> None:
    assert shown in await text_of(template, text)


async def test_every_character_the_fonts_have_can_be_set(template: PdfTemplate) -> None:
    """A glyph that is promised and missing would make PDF/A refuse the whole page."""
    code_points = {code for font in every_font() for code in covered(font)}
    assert len(code_points) > 3000 and {ord(letter) for letter in KAZAKH} <= code_points
    made = await template.render({"text": "".join(map(chr, sorted(code_points)))}, AT)
    assert len(PdfReader(io.BytesIO(made)).pages) > 1


async def test_the_same_data_make_the_same_bytes_and_another_moment_makes_others(template: PdfTemplate) -> None:
    first = await template.render({"text": "бір"}, AT)
    await template.render({"text": "екі"}, AT)
    assert await template.render({"text": "бір"}, AT) == first
    assert await PdfTemplate(template._source).render({"text": "бір"}, AT) == first
    assert await template.render({"text": "бір"}, AT + timedelta(days=1)) != first


async def test_pages_asked_for_at_once_do_not_mix(template: PdfTemplate) -> None:
    texts = [f"мәтін {number}" for number in range(20)]
    found = await asyncio.gather(*(text_of(template, text) for text in texts))
    assert all(text in page for text, page in zip(texts, found, strict=True))


async def test_who_goes_away_disturbs_nobody(template: PdfTemplate, clock: HandClock) -> None:
    long = {"text": "ұзақ мәтін " * 20_000}
    gone = asyncio.ensure_future(template.render(long, AT))
    await clock.sleep(0)  # it begins
    gone.cancel()
    assert "бір" in await text_of(template, "бір")


async def test_a_page_says_that_it_is_an_archive_for_every_reader(template: PdfTemplate) -> None:
    """PDF/A-2a and PDF/UA-1, as far as the file itself says so."""
    root = PdfReader(io.BytesIO(await template.render({"text": "x"}, AT))).trailer["/Root"].get_object()
    assert root["/Lang"] == "kk" and root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in metadata and "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata


async def test_a_qr_code_is_part_of_the_page(template: PdfTemplate) -> None:
    code = qr_svg("number=26000000001;sha256=" + "ab" * 32)
    assert code.startswith("<svg") and code == qr_svg("number=26000000001;sha256=" + "ab" * 32)
    made = await template.render({"text": "x", "qr": code}, AT)
    assert len(made) > len(await template.render({"text": "x"}, AT))


async def test_a_template_that_fails_says_nothing_of_the_data(template: PdfTemplate) -> None:
    template._source.write_text(SOURCE + "#panic(data.text)", encoding="utf-8")
    with pytest.raises(EgovError) as failed:
        await PdfTemplate(template._source).render({"text": "құпия"}, AT)
    assert failed.value.code == "pdf.not_rendered" and "құпия" not in str(failed.value)


async def test_a_template_cannot_read_beside_its_folder(template: PdfTemplate) -> None:
    template._source.write_text('#read("/etc/hostname")\n#read("../x")', encoding="utf-8")
    with pytest.raises(EgovError):
        await PdfTemplate(template._source).render({}, AT)


def test_the_digest_is_that_of_the_template(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one.typ", "same.typ", "other.typ"))
    one.write_text("a"), same.write_text("a"), other.write_text("b")
    assert PdfTemplate(one).digest == PdfTemplate(same).digest != PdfTemplate(other).digest

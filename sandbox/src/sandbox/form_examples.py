"""Output documents with made-up data: of every form, whole, empty and overfull. What the command and the tests show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, Literal

from egovkit.contracts import contracts_dir, read_once
from egovkit.pdf import DocumentPages, codes_svg
from egovlaw.loader import load_catalogue
from egovlaw.output_pages import PageFacts, page_of
from egovlaw.outputs import LANGUAGES, Language, Output, OutputForm, Outputs, load_outputs

Filled = Literal["example", "empty", "long"]

AT: Final = datetime(2013, 2, 4, 15, 30, tzinfo=timezone(timedelta(hours=6)))
DPI: Final = 25
SIGNED: Final = (
    ("signed_by", "ҮЛГІЛІ БОЛАТ"),
    ("office", "Үлгі бөлімі"),
    ("signed_at", "04.02.2013 15:29:58 (UTC+06:00)"),
    ("serial", "4f1c0d7e"),
    ("thumbprint", "ab" * 32),
)
LONG: Final = "Ұзақ мәтін, очень длинный текст " * 25
ROWS: Final = 45


def outputs() -> Outputs:
    """CatalogueInvalid with every fault."""
    contracts = contracts_dir()
    return read_once(load_outputs, contracts, read_once(load_catalogue, contracts))


def example_page(
    found: Outputs,
    output: Output,
    languages: Sequence[Language] = LANGUAGES,
    filled: Filled = "example",
    codes: Sequence[str] = ("example-1", "example-2"),
) -> dict[str, Any]:
    decided = output.form.layout == "decision"
    names = output.form.fields() - {"service"}
    values = {} if filled == "empty" else {name: found.examples[name] for name in sorted(names)}
    if filled == "long":
        values = {name: _long(value) for name, value in values.items()} | {"unknown": LONG}
    text = values.pop("text", None)
    facts = PageFacts(
        number=None if filled == "empty" else "13000000017",
        issued_at=AT,
        values=values,
        form={},
        iin="000000000000",
        official=None if filled == "empty" else found.examples["official"],
        text=_text(text, filled, decided=decided),
        reasons=[found.examples["reason"]] if output.form.kind == "negative" and filled != "empty" else [],
        valid_until=date(2013, 3, 4) if output.form.kind == "positive" else None,
        signed=SIGNED if decided else None,
        sha256=hashlib.sha256(output.code.encode()).hexdigest(),
        codes=codes_svg(codes) if decided else (),
        languages=languages,
    )
    return page_of(found, output, facts)


def _text(text: Any, filled: Filled, *, decided: bool) -> Mapping[str, str] | None:
    if filled == "long":
        return {"kk": LONG * 4, "ru": LONG * 4}
    if filled == "empty" or isinstance(text, dict):
        return text if isinstance(text, dict) else None
    return {"kk": "Үлгі мәтін.", "ru": "Примерный текст."} if decided else None


def _long(value: Any) -> Any:
    if isinstance(value, list):
        return value * ROWS
    return LONG if isinstance(value, str) and not value[:4].isdigit() else value


def pictures(folder: Path) -> int:
    """The pictures of every form's pages in both languages, for tests to compare with; how many were written."""
    found, pages = outputs(), DocumentPages()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    drawn = {
        picture_name(form, language, number): content
        for form in found.forms
        for language in LANGUAGES
        for number, content in enumerate(pictures_of(found, pages, form, language), start=1)
    }
    for name, content in drawn.items():
        (folder / name).write_bytes(content)
    return len(drawn)


def pictures_of(found: Outputs, pages: DocumentPages, form: OutputForm, language: Language) -> list[bytes]:
    """One a page."""
    output = next(one for one in found.all if one.form is form)
    return pages.pictures(example_page(found, output, [language]), DPI)


def picture_name(form: OutputForm, language: str, page: int = 1) -> str:
    later = "" if page == 1 else f".{page}"
    return f"{form.file.removesuffix('.yaml').replace('/', '.')}.{language}{later}.png"

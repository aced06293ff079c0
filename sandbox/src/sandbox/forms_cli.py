"""`egov forms`: the documents people get, as the acts print them."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.regulations_cli import UNKNOWN, fail

if TYPE_CHECKING:
    from egovlaw.outputs import Outputs

app = typer.Typer(no_args_is_help=True, help="Output documents: results, refusals, notifications, receipts.")


class Shown(StrEnum):
    KK = "kk"
    RU = "ru"
    BOTH = "both"


class Filled(StrEnum):
    EXAMPLE = "example"
    EMPTY = "empty"
    LONG = "long"


@app.command("list")
def forms_list() -> None:
    """One line a document: its code, the clause, whether the act prints it."""
    for one in _outputs().all:
        origin = "printed by the act" if one.form.printed else "general layout"
        typer.echo(f"{one.code}  {one.clause or '-'}  {origin}  {one.form.name['ru']}")


@app.command("render")
def forms_render(
    code: str,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file; .png makes a picture of the first page.")],
    lang: Annotated[Shown, typer.Option("--lang", help="Of the text.")] = Shown.BOTH,
    filled: Annotated[Filled, typer.Option("--filled", help="With example data, none, or too much.")] = Filled.EXAMPLE,
) -> None:
    """One document with made-up data, as PDF/A-2a."""
    from egovkit.pdf import DocumentPages
    from egovlaw.outputs import LANGUAGES
    from sandbox.form_examples import AT, example_page

    found = _outputs()
    one = found.coded(code)
    if one is None:
        fail(f"no document {code}; `egov forms list` has them all", UNKNOWN)
    languages = [language for language in LANGUAGES if lang.value in (language, "both")]
    page, pages = example_page(found, one, languages, filled.value), DocumentPages()
    picture = output.suffix == ".png"
    output.write_bytes(pages.pictures(page, 100)[0] if picture else asyncio.run(pages.render(page, AT)))


@app.command("pictures")
def forms_pictures(folder: Annotated[Path, typer.Argument(help="tests/forms/pictures")]) -> None:
    """Draw the pictures that the tests compare with anew; look at what changed."""
    from sandbox.form_examples import pictures

    typer.echo(f"{pictures(folder)} pictures in {folder}")


@app.command("page")
def forms_page(file: Annotated[Path, typer.Argument(help="docs/reference/forms.md")]) -> None:
    """Write the list of forms by act and clause."""
    from egovlaw.pages.forms import forms_page as made

    file.write_text(made(_outputs()), encoding="utf-8")


def _outputs() -> Outputs:
    from egovlaw.loader import CatalogueInvalid
    from sandbox.form_examples import outputs

    try:
        return outputs()
    except CatalogueInvalid as invalid:
        fail(f"{invalid}\n{len(invalid.errors)} faults", 1)

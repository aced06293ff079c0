"""What is written beside the regulations: the pages of docs/reference, and the list of digests of one act."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue

DIAGRAMS = "diagrams"


def pages(folder: Annotated[Path, typer.Argument(help="docs/reference/regulations")]) -> None:
    """Write a page per regulation in English and Russian; pages of regulations that are gone are removed."""
    from egovkit.contracts import contracts_dir
    from egovlaw.loader import CatalogueInvalid, load_catalogue

    try:
        written = write_pages(load_catalogue(contracts_dir()), folder)
    except CatalogueInvalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{written} pages in {folder}")


def write_pages(catalogue: Catalogue, folder: Path) -> int:
    """How many were written."""
    from egovlaw.pages import render_pages

    made = render_pages(catalogue, diagrams_in(folder))
    for path in pages_in(folder):
        if path.relative_to(folder).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return len(made)


def pages_in(folder: Path) -> list[Path]:
    """Those of the languages' folders alone: whatever else is there is somebody else's."""
    from egovlaw.pages.words import LANGUAGES

    return [path for language in LANGUAGES for path in (folder / language).glob("*.md")]


def diagrams_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / DIAGRAMS).glob("*.*")}


def digest(
    file: Annotated[Path, typer.Argument(help="The regulation's file.", exists=True)],
    *,
    act: Annotated[Path, typer.Option("--act", help="The text of the act, UTF-8.", exists=True)],
) -> None:
    """The list for tests/law/digests; what does not stand in the act letter by letter goes to stderr, to be read."""
    from egovlaw.digests import READ, digest_list, line_of
    from egovlaw.documents import read_document

    document = read_document(file, file.parent)
    for error in document.errors:
        typer.echo(f"{file}:{error.line}: {error.message}", err=True)
    if document.errors:
        raise typer.Exit(1)
    for way, passage in digest_list(document.value, act.read_text(encoding="utf-8")):
        typer.echo(line_of(way, passage))
        if way == READ:
            where, text = f"{file}:{document.line(passage.path)}", " ".join(passage.text.split())
            typer.echo(f"{where}: {passage.key} of {passage.clause}: {text}", err=True)

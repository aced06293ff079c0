"""`egov regulations`: the law as data, to be read, checked, compared and drawn."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue, Channel, Regulation

app = typer.Typer(no_args_is_help=True, help="The law as data.")

UNKNOWN = 2  # the exit status when what was asked for is not in the catalogue


class DiagramFormat(StrEnum):
    SVG = "svg"
    BPMN = "bpmn"


@app.command("list")
def regulations_list() -> None:
    """One line per regulation."""
    law = catalogue()
    for one in law.regulations:
        older = "".join(f", v{version}" for version in reversed(law.versions(one.code)[:-1]))
        typer.echo(f"{one.code}  v{one.version}{older}  {one.region}  {', '.join(one.channels)}")
        typer.echo(f"    {one.title_ru}")


@app.command("show")
def regulations_show(
    code: str, channel: Annotated[str | None, typer.Option("--channel", help="Only this one of its channels.")] = None
) -> None:
    """All of one regulation: channels item by item, limits, tables, procedure, forms, rules; with clauses."""
    from sandbox.regulations import console, show, show_channel

    law = catalogue()
    regulation = regulation_of(law, code)
    if channel is None:
        show(console(), law, regulation)
    else:
        show_channel(console(), channel_of(regulation, channel))


@app.command("validate")
def regulations_validate() -> None:
    """Load the catalogue; every fault at once, with file and line, and exit 1."""
    typer.echo(f"{len(catalogue().regulations)} regulations are valid")


@app.command("export")
def regulations_export(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """The whole catalogue as JSON."""
    from egovlaw.export import export_catalogue

    if not as_json:
        fail("the only form is JSON: egov regulations export --json", UNKNOWN)
    typer.echo(json.dumps(export_catalogue(catalogue()), ensure_ascii=False, indent=2))


@app.command("diff")
def regulations_diff(
    one: str, other: str, texts: Annotated[bool, typer.Option("--texts", help="The wording too.")] = False
) -> None:
    """How two regulations differ; exits 0 equal but for names, 1 different, 2 unknown."""
    from egovlaw.compare import compare
    from sandbox.regulations import console, show_differences

    law = catalogue()
    left, right = regulation_of(law, one), regulation_of(law, other)
    found = compare(left, right, texts=texts)
    show_differences(console(), left, right, found)
    raise typer.Exit(1 if found else 0)


@app.command("diagram")
def regulations_diagram(
    code: Annotated[str | None, typer.Argument(help="The regulation.")] = None,
    channel: Annotated[str | None, typer.Argument(help="Its channel.")] = None,
    form: Annotated[DiagramFormat, typer.Option("--format", help="A picture, or BPMN 2.0 XML.")] = DiagramFormat.SVG,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of the terminal.")] = None,
    everything: Annotated[Path | None, typer.Option("--all", help="A folder for every channel in both forms.")] = None,
) -> None:
    """Draw a channel again from the data: the acts' own diagrams are lost."""
    law = catalogue()
    if everything is not None and code is None and output is None:
        typer.echo(f"{draw_all(law, everything)} channels are drawn in {everything}")
        return
    if everything is not None or code is None or channel is None:
        fail("name a regulation and its channel, or --all and a folder", UNKNOWN)
    regulation = regulation_of(law, code)
    drawn = draw(regulation, channel_of(regulation, channel), form)
    if output is None:
        typer.echo(drawn, nl=False)
    else:
        output.write_text(drawn, encoding="utf-8")


def draw(regulation: Regulation, channel: Channel, form: DiagramFormat) -> str:
    from egovlaw.diagram import lay_out, to_bpmn, to_svg

    if not channel.has_flow:
        fail(f"{regulation.code} names the channel {channel.code} and describes no steps of it", UNKNOWN)
    diagram = lay_out(regulation, channel)
    return to_svg(diagram) if form is DiagramFormat.SVG else to_bpmn(diagram)


def draw_all(law: Catalogue, folder: Path) -> int:
    """Every channel that the acts describe, as CODE.CHANNEL.svg and .bpmn; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    described = [(one, channel) for one in law.regulations for channel in one.channels.values() if channel.has_flow]
    for regulation, channel in described:
        for form in DiagramFormat:
            path = folder / f"{regulation.code}.{channel.code}.{form.value}"
            path.write_text(draw(regulation, channel, form), encoding="utf-8")
    return len(described)


def catalogue() -> Catalogue:
    """The catalogue of this installation, or every fault of it and exit 1."""
    from egovkit.contracts import contracts_dir, read_once
    from egovlaw.loader import CatalogueInvalid, load_catalogue

    try:
        return read_once(load_catalogue, contracts_dir())
    except CatalogueInvalid as invalid:
        fail(f"{invalid}\n{len(invalid.errors)} faults", 1)


def regulation_of(law: Catalogue, code: str) -> Regulation:
    found = law.regulation(code)
    if found is None:
        fail(f"no regulation {code}; `egov regulations list` has them all", UNKNOWN)
    return found


def channel_of(regulation: Regulation, code: str) -> Channel:
    found = regulation.channels.get(code)
    if found is None:
        fail(f"{regulation.code} has no channel {code}, only {', '.join(regulation.channels)}", UNKNOWN)
    return found


def fail(message: str, status: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)

"""`egov regulations traceability DIR`: writes the pages, or holds them against what would be written today."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egovkit.contracts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.traceability.linking import Traced

AGAIN = "run egov regulations traceability docs/reference/traceability"


def traceability(
    folder: Annotated[Path, typer.Argument(help="docs/reference/traceability")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 for what is missing or stale.")] = False,
) -> None:
    """From clause to item, code and tests, and back; executable clauses without a test are named, with exit 1."""
    from sandbox.replay.reading import ScenariosInvalid
    from sandbox.traceability.linking import trace_back
    from sandbox.traceability.marks import BadMark
    from sandbox.traceability.pages import render

    try:
        traced = trace_back(_workspace())
    except (BadMark, ScenariosInvalid) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    made = render(traced)
    faults = list(traced.faults)
    faults += unexplained(traced, known_gaps(_workspace()))
    if check:
        faults += stale(made, folder)
    else:
        write(made, folder)
        typer.echo(f"{len(made)} pages in {folder}")
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)


def known_gaps(root: Path) -> dict[tuple[str, str], str]:
    """What is missing, by topic and regulation: contracts/regulations/gaps.yaml."""
    raw = read_yaml(root / "contracts/regulations/gaps.yaml")
    return {(one["topic"], one["regulation"]): one["missing"] for one in raw["gaps"]}


def unexplained(traced: Traced, gaps: Mapping[tuple[str, str], str]) -> list[str]:
    """Clauses without a test that are no known gap, and gaps that are none any more."""
    bare = {(duty.topic, duty.regulation) for duty in traced.uncovered}
    found = [
        f"no test: {duty.topic} {duty.where}" for duty in traced.uncovered if (duty.topic, duty.regulation) not in gaps
    ]
    return [*found, *(f"no gap any more: {topic} {code}" for topic, code in gaps if (topic, code) not in bare)]


def stale(made: dict[str, str], folder: Path) -> list[str]:
    """Pages that are not what the generator makes today."""
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    other = [name for name in sorted({**there, **made}) if there.get(name) != made.get(name)]
    return [f"{folder / name} is stale: {AGAIN}" for name in other]


def write(made: dict[str, str], folder: Path) -> None:
    """Pages of regulations that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def _workspace() -> Path:
    """Where contracts, code and tests stand together: tests are no part of an installation."""
    from egovkit.contracts import contracts_dir

    return contracts_dir().parent

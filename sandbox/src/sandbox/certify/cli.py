"""`egov certify` as a command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Role(StrEnum):
    PROVIDER = "provider"
    CENTRE = "centre"
    PORTAL = "portal"
    REGISTER = "register"


class Form(StrEnum):
    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def certify(
    url: Annotated[str, typer.Argument(help="Where the partner's certification driver listens: http://host:port")],
    *,
    role: Annotated[Role, typer.Option("--as", help="Whose place the system takes on the bus.")],
    regulation: Annotated[
        list[str] | None,
        typer.Option("--regulation", help="Only this act's; may be repeated. Without: of every act one."),
    ] = None,
    patience: Annotated[
        float, typer.Option("--patience", min=0.1, max=600, help="Seconds until what is owed counts as not come.")
    ] = 15.0,
    report: Annotated[Form, typer.Option("--report", help="How to say what was found.")] = Form.TEXT,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file for the report.")] = None,
) -> None:
    """Hold a partner's system against what its role owes by the acts; exits 0 certified, 1 not, 2 not run."""
    from sandbox.certify.command import Wish, run_certify

    wish = Wish(role.value, url, tuple(regulation or ()), patience)
    raise typer.Exit(run_certify(wish, report.value, output))

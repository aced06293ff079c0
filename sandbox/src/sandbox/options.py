"""Options that many commands share, and what they mean. Light to import: the command line answers at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[Path | None, typer.Option("--home", help="The deployment's home (EGOV_HOME; default .egov).")]
TargetOption = Annotated[str | None, typer.Option("--target", help="http(s)://host with compose's ports, instead.")]
TokenOption = Annotated[Path | None, typer.Option("--token-file", help="The sandbox's token; default the home's.")]
# Also from the environment: what stands on a command line every user of the machine can read.
DbOption = Annotated[
    str | None,
    typer.Option("--db", envvar="EGOV_DB_URL", help="PostgreSQL, postgresql://user:password@host/postgres"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


def home_of(home: Path | None) -> Path:
    """The folder that `--home` names, else EGOV_HOME, else .egov."""
    return home or Path(os.environ.get("EGOV_HOME") or ".egov")

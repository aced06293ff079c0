"""`egov journal verify`, `egov journal purge`, `egov evidence`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from sandbox.options import DbOption, HomeOption, JsonOption, home_of

journal_app = typer.Typer(no_args_is_help=True, help="The journals as evidence.")


@journal_app.command("verify")
def journal_verify(
    *,
    home: HomeOption = None,
    db: DbOption = None,
    since: Annotated[str | None, typer.Option("--from", help="Only rows since then: a day, or with a time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only rows until then; a day ends with it.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="Only the rows of one case.")] = None,
    service: Annotated[str | None, typer.Option("--service", help="Only one system's journal.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every chain, signature and time stamp; exits 0 sound, 1 broken, 2 empty, 3 unreadable."""
    from sandbox.evidence import run_verify
    from sandbox.journal_verdict import Wanted

    wanted = Wanted(moment_of(since), moment_of(until, end=True), case, service)
    raise typer.Exit(run_verify(home_of(home), db, wanted, as_json=as_json))


@journal_app.command("purge")
def journal_purge(
    *,
    before: Annotated[str, typer.Option("--before", help="Bodies older than this day go; their proof stays.")],
    home: HomeOption = None,
    db: DbOption = None,
    service: Annotated[str | None, typer.Option("--service", help="Only one system's.")] = None,
) -> None:
    """Remove bodies past their time, by hand; each journal records it. Nothing brings them back."""
    from sandbox.evidence import run_purge

    moment = moment_of(before)
    assert moment is not None
    raise typer.Exit(run_purge(home_of(home), db, moment, service))


def case_evidence(
    case: str,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The container to write, by custom *.asice.")],
    home: HomeOption = None,
    db: DbOption = None,
    nuc: Annotated[str | None, typer.Option("--nuc", help="НУЦ's address; default the running deployment's.")] = None,
) -> None:
    """All proof of one case in a file that openssl and unzip verify; exits 2 for no such case, 3 unreadable."""
    from sandbox.case_evidence import run_evidence

    raise typer.Exit(run_evidence(home_of(home), db, case, output, nuc))


def moment_of(text: str | None, *, end: bool = False) -> datetime | None:
    """A day or a moment; without a zone it is UTC, as the journals are. Exits 2 for anything else."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        typer.echo(f"{text!r} is no day and no moment: 2026-01-15, 2026-01-15T09:00:00+05:00", err=True)
        raise typer.Exit(2) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found + timedelta(days=1, microseconds=-1) if end and len(text) <= len("2026-01-15") else found

"""`egov budget` and `egov report`: who used how much of which limit of the acts."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.options import HomeOption, JsonOption

if TYPE_CHECKING:
    import httpx

report_app = typer.Typer(no_args_is_help=True, help="Reports of ШЭП.")
UrlOption = Annotated[str | None, typer.Option("--url", help="ШЭП's address; default: the deployment's own.")]
TokenOption = Annotated[Path | None, typer.Option("--token-file", help="ШЭП's admin token.")]
COLUMNS = ("provider", "regulation", "step", "clause", "measured", "overdue", "limit_s", "worst_s", "median_share")


def budget(
    case: str,
    *,
    home: HomeOption = None,
    target: Annotated[
        str | None, typer.Option("--target", "--db", help="A production deployment's PostgreSQL.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Per limit of one case: clause, limit, used, share, late and who measured it, from the journals."""
    import asyncio

    from sandbox.cli import fail, print_json
    from sandbox.conformance import check_all
    from sandbox.evidence import NOT_READ, databases
    from sandbox.options import home_of

    try:
        reports = asyncio.run(check_all(databases(home_of(home), target), case))
    except NOT_READ as error:
        fail(f"not read: {type(error).__name__}: {error}", 3)
    if not reports:
        fail(f"no such case: {case}", 2)
    found = reports[0].as_data()["limits"]
    if as_json:
        print_json({"case": case, "limits": found})
        return
    for one in found:
        used = "-" if one["used_s"] is None else f"{one['used_s']:.1f}"
        share = "-" if one["share"] is None else f"{one['share']:.0%}"
        late = "  LATE" if one["late"] else ""
        where = f"{one['step']:<5} {one['measured_by']:<22} {used:>9} of {one['max_s']:>7g} s {share:>6}"
        typer.echo(f"{where}  {one['clause']}  ({one['cls']}){late}")


@report_app.command("overdue")
def overdue(
    *,
    since: Annotated[str | None, typer.Option("--from", help="2014-03-03T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="The first moment that is not in it.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Of one provider's system.")] = None,
    regulation: Annotated[str | None, typer.Option("--regulation", help="Of one regulation.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Measured and overdue by provider, step and clause, and applications without a number beyond their limit."""
    import httpx

    from sandbox.cli import fail, print_json
    from sandbox.letters import client_of, given
    from sandbox.options import home_of

    wanted = given({"from": since, "to": until, "provider": provider, "regulation": regulation})
    try:
        with client_of(home_of(home), url, token_file) as client:
            found = every_page(client, wanted)
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{type(error).__name__}: {error}", 3)
    if as_json:
        print_json(found)
    elif as_csv:
        table = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore")
        table.writeheader()
        table.writerows(found["items"])
    else:
        for line in found["items"]:
            typer.echo("  ".join(str(line[name]) for name in COLUMNS))
        for one in found["waiting"]:
            typer.echo(f"waiting: {json.dumps(one, ensure_ascii=False)}")


def every_page(client: httpx.Client, wanted: dict[str, Any]) -> dict[str, Any]:
    """All groups, page by page."""
    items: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = client.get("/v1/reports/overdue", params={**wanted, **cursor})
        answer.raise_for_status()
        page = answer.json()
        items += page["items"]
        if page["next"] is None:
            return {"items": items, "waiting": page["waiting"]}
        cursor = {"cursor": page["next"]}

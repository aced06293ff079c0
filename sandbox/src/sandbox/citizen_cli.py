"""`egov citizen`: a synthetic citizen at the portal, for a partner who waits for an application."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.options import HomeOption, home_of

if TYPE_CHECKING:
    from sandbox.world import Deployment

app = typer.Typer(no_args_is_help=True, help="A synthetic citizen at the portal: apply, look.")
FileOption = Annotated[Path, typer.Option("--file", help="The citizen's session at the portal.")]
DEFAULT = Path("citizen.json")
PATIENCE_SECONDS, LOOK_SECONDS = 60.0, 0.2


@app.command("apply")
def apply_for(
    regulation: Annotated[str, typer.Argument(help="Its code: `egov regulations list`.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the session is kept, for `look`.")] = DEFAULT,
    home: HomeOption = None,
) -> None:
    """A new person registers, fills the form in, signs and sends; prints the case."""
    from egovkit.contracts import contracts_dir
    from egovlaw.loader import load_catalogue
    from sandbox.bootstrap import write_private

    found = load_catalogue(contracts_dir()).regulation(regulation)
    if found is None or "portal" not in found.channels or not found.channels["portal"].has_flow:
        typer.echo(f"{regulation} is no service one can apply for on the portal", err=True)
        raise typer.Exit(2)

    async def work(world: Deployment) -> dict[str, Any]:
        from sandbox.replay.generating import COPY, values_of

        citizen = await world.citizen()
        await citizen.settle_in()
        form = next((one for one in found.forms if one.kind == "application"), None)
        case = await citizen.apply(regulation, values_of(form.fields) if form else {}, (COPY,))
        return {"case": case, "token": citizen.token}

    kept = _run(home, work)
    write_private(out, json.dumps(kept).encode())
    typer.echo(f"case {kept['case']} is on its way")


@app.command()
def look(
    *,
    until: Annotated[str | None, typer.Option("--until", help="Wait for this state, as registered.")] = None,
    file: FileOption = DEFAULT,
    home: HomeOption = None,
) -> None:
    """What the portal shows of the case: state and number. Exits 1 when `until` never came."""
    try:
        kept = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        typer.echo(f"{file} holds no session: apply first ({type(error).__name__})", err=True)
        raise typer.Exit(3) from None

    async def work(world: Deployment) -> dict[str, Any]:
        from sandbox.bootstrap import answer, bearer
        from sandbox.composition import PORTAL

        url, deadline = f"{world.url(PORTAL)}/v1/cases/{kept['case']}", world.clock.monotonic() + PATIENCE_SECONDS
        while True:
            case: dict[str, Any] = answer(await world.http.get(url, headers=bearer(kept["token"])))
            if until in (None, case["status"]["code"]) or world.clock.monotonic() > deadline:
                return case
            await world.clock.sleep(LOOK_SECONDS)

    case = _run(home, work)
    typer.echo(f"{case['status']['code']}, number {case['number'] or '-'}")
    if until not in (None, case["status"]["code"]):
        raise typer.Exit(1)


def _run(home: Path | None, work: Callable[[Deployment], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Exits 3 when no deployment runs there."""
    import httpx

    from sandbox.attached import attached
    from sandbox.bootstrap import RefusedByService
    from sandbox.clock import moved_before
    from sandbox.hosting import StartFailed
    from sandbox.running import run

    async def ask() -> dict[str, Any]:
        async with attached(home_of(home)) as world:
            world.clock = moved_before(world.home)
            return await work(world)

    try:
        return run(ask())
    except (StartFailed, RefusedByService, httpx.HTTPError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, RefusedByService) else 3) from None

"""`egov log`: the request log of a sandbox, over all its services."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sandbox.options import HomeOption, TargetOption, TokenOption, home_of

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.exchange_log import Exchange, Log, Source

app = typer.Typer(
    invoke_without_command=True, help="Every HTTP call and bus message of a sandbox, and why it was refused."
)

T = TypeVar("T")
KeptOption = Annotated[
    Path | None, typer.Option("--kept", help="The home of a world that is over, as `egov replay --keep` leaves it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines: a JSON document a line.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of an exchange, as the list has it in brackets.")]


class Medium(StrEnum):
    HTTP = "http"
    BUS = "bus"
    NOTE = "note"


@app.callback()
def show_all(
    context: typer.Context,
    *,
    system: Annotated[str | None, typer.Option("--system", help="Only of this one, as portal-pep.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="A case's id: also calls that name it.")] = None,
    message: Annotated[str | None, typer.Option("--message", help="An envelope's id.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Of a problem, as time.late.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    text: Annotated[str | None, typer.Option("--text", help="Anywhere in it.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="A moment, or 15m: before the newest.")] = None,
    medium: Annotated[Medium | None, typer.Option("--medium", help="Only of this kind.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The newest so many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
    kept: KeptOption = None,
) -> None:
    """Without a command: what there is, by time; refusals with their reason and what would have been accepted."""
    if context.invoked_subcommand is not None:
        return
    asked = {"case": case, "message": message, "code": code, "text": text, "medium": medium, "refused": refused or None}
    wanted = {name: value for name, value in asked.items() if value is not None}

    async def work(source: Source) -> None:
        from egovkit.clock import SystemClock
        from sandbox.exchange_log import Log

        log = Log(source)
        now = await log.now()
        began = None if since is None else _since(since, now)
        if not follow:
            found = await log.find(wanted | ({"since": began.isoformat()} if began else {}), system=system, limit=limit)
            for one in found:
                await _say(log, one, as_json=as_json)
            return
        async for one in log.follow(wanted, began or now, SystemClock(), system=system):
            await _say(log, one, as_json=as_json)

    _aimed(Where(home, target, token_file, kept), work)


@app.command()
def show(
    id_: IdArgument,
    *,
    as_json: JsonOption = False,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
    kept: KeptOption = None,
) -> None:
    """All of one: headers, bodies, the envelope, the reason of a refusal."""

    async def work(source: Source) -> None:
        from sandbox.exchange_log import Log, whole

        log = Log(source)
        one = await log.get(id_)
        if as_json:
            await _say(log, one, as_json=True)
            return
        await _tell_why(log, one)
        typer.echo("\n".join(whole(one)))

    _aimed(Where(home, target, token_file, kept), work)


@app.command()
def curl(
    id_: IdArgument,
    *,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
    kept: KeptOption = None,
) -> None:
    """A command that does it again; a message of the bus is posted to the gateway. Tokens are yours to fill in."""

    async def work(source: Source) -> str:
        from egovkit.bus.topology import Topology
        from egovkit.contracts import contracts_dir
        from sandbox.curl import as_curl
        from sandbox.exchange_log import Log

        return as_curl(await Log(source).get(id_), source.members, Topology.load(contracts_dir()))

    typer.echo(_aimed(Where(home, target, token_file, kept), work))


@app.command()
def scenario(
    case: Annotated[str, typer.Argument(help="The id of a case that has come to an end.")],
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file for it.")] = None,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
    kept: KeptOption = None,
) -> None:
    """What people did in a case as a scenario for `egov replay`; what happens then is the act's, not the case's."""

    async def work(source: Source) -> str:
        from sandbox.case_scenario import scenario_of_case
        from sandbox.exchange_log import Log

        return scenario_of_case(case, await Log(source).every({"case": case}))

    text = _aimed(Where(home, target, token_file, kept), work)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


async def _say(log: Log, one: Exchange, *, as_json: bool) -> None:
    if as_json:
        near = await _near(log, one)
        typer.echo(json.dumps({**one.facts, "member": one.member.name, "near_miss": near}, ensure_ascii=False))
        return
    from sandbox.exchange_log import shown

    for line in shown(one):
        typer.echo(line)
    await _tell_why(log, one)


async def _tell_why(log: Log, one: Exchange) -> None:
    from sandbox.near_misses import clause_of

    reason = one.facts.get("reason")
    near = await _near(log, one)
    if reason is not None:
        side = f" (to act: the {reason['side']})" if reason["side"] else ""
        clause = f" [{found}]" if (found := reason["clause"] or clause_of(one)) else ""
        typer.echo(f"{'':14}refused: {reason['code']}{clause}{side}: {reason['why']}")
        if reason["remedy"]:
            typer.echo(f"{'':14}remedy: {reason['remedy']}")
    if near is not None:
        typer.echo(f"{'':14}near miss: {near}")


async def _near(log: Log, one: Exchange) -> str | None:
    if not one.facts["refused"]:
        return None
    from sandbox.near_misses import near_miss

    return near_miss(one, await log.refused_envelope(one))


def _since(text: str, now: datetime) -> datetime:
    from datetime import datetime

    from sandbox.clock_cli import parse_duration

    try:
        if text[:1].isdigit() and text[-1:] in "dhms":
            return now - parse_duration(text)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("say its zone: Z or +05:00", param_hint="--since")
    return moment


@dataclass(frozen=True, slots=True)
class Where:
    """Whose log: of a deployment that runs, by its home or host, or what one has left."""

    home: Path | None
    target: str | None
    token_file: Path | None
    kept: Path | None


def _aimed(where: Where, work: Callable[[Source], Awaitable[T]]) -> T:
    """Exits 1 when what is asked for is not there, 3 when the deployment is not one that can be asked."""
    import httpx

    from sandbox.case_scenario import NoScenario
    from sandbox.composition import Home
    from sandbox.curl import NoCurl
    from sandbox.exchange_log import UnknownExchange
    from sandbox.exchanges_kept import Kept
    from sandbox.running import run
    from sandbox.target import NoTarget, TargetRefused, target

    at = Home(home_of(where.home))

    async def ask() -> T:
        if where.kept is not None:
            return await work(Kept(where.kept))
        async with target(at, where.target, where.token_file) as aim:
            return await work(aim)

    try:
        return run(ask())
    except (UnknownExchange, NoCurl, NoScenario, TargetRefused) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except (NoTarget, OSError, httpx.HTTPError) as error:
        typer.echo(str(error) if isinstance(error, NoTarget) else f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(3) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None

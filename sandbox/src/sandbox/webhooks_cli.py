"""`egov webhooks`: whom the gateways of a sandbox call, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.options import HomeOption, JsonOption, TargetOption, TokenOption, home_of

if TYPE_CHECKING:
    from sandbox.target import Aim

app = typer.Typer(no_args_is_help=True, help="Webhooks of participants without a broker: set, see, deliver again.")

PATH = "/v1/sandbox/webhooks"
ELSEWHERE = ("webhook.other_gateway", "webhook.unknown")  # then it may be the regional gateway's

CodeArgument = Annotated[str, typer.Argument(help="The participant's code.")]


@app.command("list")
def list_all(
    *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None, as_json: JsonOption = False
) -> None:
    """Every webhook of both gateways, with what waits."""
    from sandbox.composition import RSHEP, SHEP

    async def work(aim: Aim) -> list[dict[str, Any]]:
        gateways = [member for member in aim.members if member.code in (SHEP, RSHEP)]
        first = {member.code: member for member in reversed(gateways)}  # processes of one share its database
        return [item for member in first.values() for item in (await aim.ask("GET", member, PATH))["items"]]

    found = _aimed(home, target, token_file, work)
    if as_json:
        _print(found)
        return
    for one in found:
        why = f" ({one['reason']})" if one["reason"] else ""
        waits = f"{one['waiting']} waiting, {one['exhausted']} exhausted"
        typer.echo(f"{one['participant']:<24} {one['state']}{why}  {waits}  {one['url']}")


@app.command()
def show(
    code: CodeArgument, *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None
) -> None:
    """One webhook."""
    _print(_aimed(home, target, token_file, lambda aim: _ask(aim, "GET", code)))


@app.command("set")
def set_url(
    code: CodeArgument,
    url: Annotated[str, typer.Argument(help="Where the gateway is to POST.")],
    *,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Set or replace; what waits in the inbox is delivered at once."""
    _print(_aimed(home, target, token_file, lambda aim: _ask(aim, "PUT", code, json={"url": url})))


@app.command()
def remove(
    code: CodeArgument, *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None
) -> None:
    """Call no more; what was not delivered stays in the inbox."""
    _aimed(home, target, token_file, lambda aim: _ask(aim, "DELETE", code))


@app.command()
def pause(
    code: CodeArgument, *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None
) -> None:
    """Call no more until it is resumed."""
    _print(_aimed(home, target, token_file, lambda aim: _ask(aim, "POST", code, "/pause")))


@app.command()
def resume(
    code: CodeArgument, *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None
) -> None:
    """Call again."""
    _print(_aimed(home, target, token_file, lambda aim: _ask(aim, "POST", code, "/resume")))


@app.command()
def test(
    code: CodeArgument, *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None
) -> None:
    """Call with a signed ping; exits 1 unless the answer was 2xx."""
    came = _aimed(home, target, token_file, lambda aim: _ask(aim, "POST", code, "/test"))
    _print(came)
    if came["status"] is None or not 200 <= came["status"] < 300:
        raise typer.Exit(1)


@app.command()
def deliveries(
    code: CodeArgument,
    *,
    state: Annotated[str | None, typer.Option("--state", help="waiting, delivered, fetched or exhausted")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100)] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="The next page, as the last one named it.")] = None,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was and is to be delivered, newest first, with every attempt."""
    wanted = {name: value for name, value in (("state", state), ("limit", limit), ("cursor", cursor)) if value}
    page = _aimed(home, target, token_file, lambda aim: _ask(aim, "GET", code, "/deliveries", params=wanted))
    if as_json:
        _print(page)
        return
    for one in page["items"]:
        following = f", next attempt {one['next_attempt_at'][:19]}Z" if one["next_attempt_at"] else ""
        typer.echo(f"{one['id']} {one['type']} {one['state']}{following}")
        for tried in one["attempts"]:
            came = tried["status"] or tried["error"] or "interrupted, or under way"
            typer.echo(f"    {tried['at'][:19]}Z {came}" + ("" if tried["ms"] is None else f" {tried['ms']} ms"))
    if page["next"]:
        typer.echo(f"more: --cursor {page['next']}")


@app.command()
def redeliver(
    code: CodeArgument,
    delivery: Annotated[str, typer.Argument(help="As `deliveries` names it.")],
    *,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Once more now, whatever became of it."""
    path = f"/deliveries/{delivery}/redeliver"
    _print(_aimed(home, target, token_file, lambda aim: _ask(aim, "POST", code, path)))


async def _ask(aim: Aim, method: str, code: str, path: str = "", **how: Any) -> Any:
    """At the gateway whose participant it is."""
    from sandbox.composition import RSHEP, SHEP
    from sandbox.target import TargetRefused

    try:
        return await aim.ask(method, aim.of(SHEP)[0], f"{PATH}/{code}{path}", **how)
    except TargetRefused as refused:
        if refused.problem.get("code") not in ELSEWHERE:
            raise
    return await aim.ask(method, aim.of(RSHEP)[0], f"{PATH}/{code}{path}", **how)


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _aimed(
    home: Path | None, target: str | None, token_file: Path | None, work: Callable[[Aim], Awaitable[Any]]
) -> Any:
    """Exits 1 when a gateway refuses, 3 when there is no sandbox to be asked."""
    import httpx

    from sandbox.composition import Home
    from sandbox.running import run
    from sandbox.target import NoTarget, TargetRefused
    from sandbox.target import target as aimed

    async def ask() -> Any:
        async with aimed(Home(home_of(home)), target, token_file) as aim:
            return await work(aim)

    try:
        return run(ask())
    except (TargetRefused, NoTarget) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1 if isinstance(error, TargetRefused) else 3) from None
    except (OSError, httpx.HTTPError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(3) from None

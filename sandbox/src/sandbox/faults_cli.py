"""`egov faults`: what goes wrong on purpose, by name."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sandbox.options import HomeOption, JsonOption, TargetOption, TokenOption

if TYPE_CHECKING:
    from sandbox.composition import Home
    from sandbox.target import Aim

app = typer.Typer(no_args_is_help=True, help="What goes wrong on purpose in a running sandbox, by name.")

T = TypeVar("T")
SystemOption = Annotated[str | None, typer.Option("--system", help="The code of one system; default all.")]


@app.command("list")
def list_faults(
    *,
    names: Annotated[bool, typer.Option("--names", help="The catalogue, instead of what is set.")] = False,
    system: SystemOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """What is set, how many messages or calls it met, how many it hit."""
    if names:
        _show_names(as_json)
        return

    async def work(aim: Aim, _: Home) -> list[dict[str, Any]]:
        from sandbox.faults import listed

        return await listed(aim, system)

    rules = run_aimed(home, target, token_file, work)
    _print(rules, as_json)
    if not rules and not as_json:
        typer.echo("no faults are set")


@app.command("set")
def set_fault(
    name: Annotated[str, typer.Argument(help="A name of `egov faults list --names`.")],
    *,
    system: Annotated[str, typer.Option("--system", help="The code of the system that misbehaves.")],
    step: Annotated[str | None, typer.Option("--step", help="Of a regulation, as P3.")] = None,
    message: Annotated[str | None, typer.Option("--message", help="A message type, as query.person.")] = None,
    person: Annotated[str | None, typer.Option("--person", help="An ИИН that the data or the call names.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="Of one case.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", min=0, max=1, help="Share of those it meets.")] = None,
    times: Annotated[int | None, typer.Option("--times", min=1, help="Hits, then it rests.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Which of them: the same seed, the same.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Of what lasts or waits.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Another parameter, as at=delivery; repeatable.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Make a system misbehave until the fault is cleared or spent. Exits 2 when the fault names nothing."""
    from sandbox.cli import fail
    from sandbox.faults import NamesNothing, checked, put

    body: dict[str, Any] = {
        "name": name, "step": step, "message": message, "person": person, "case": case,
        "rate": rate, "times": times, "seed": seed, "parameters": _parameters(seconds, parameter or []) or None,
    }  # fmt: skip
    try:
        asked = checked(system, body)
    except NamesNothing as error:
        fail(str(error), 2)

    async def work(aim: Aim, at: Home) -> list[dict[str, Any]]:
        return await put(aim, at, asked)

    rules = run_aimed(home, target, token_file, work)
    _print(rules, as_json)


@app.command("clear")
def clear_faults(
    name: Annotated[str | None, typer.Argument(help="Faults of this name alone.")] = None,
    *,
    system: SystemOption = None,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Everything works again."""

    async def work(aim: Aim, _: Home) -> None:
        from sandbox.faults import clear

        await clear(aim, system, name)

    run_aimed(home, target, token_file, work)


def _show_names(as_json: bool) -> None:
    from egovkit.contracts import contracts_dir
    from egovkit.sandbox.fault_names import FaultNames

    specs = FaultNames.load(contracts_dir()).specs.values()
    if as_json:
        shown = [
            {"name": one.name, "bites": one.bites, "parameters": list(one.parameters), **one.texts} for one in specs
        ]
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    for one in specs:
        takes = ", ".join(
            name if how.required else f"[{name}]" for name, how in one.parameters.items() if not how.secret
        )
        typer.echo(f"{one.name:<20} {'|'.join(one.bites):<17} {takes:<22} {one.texts['en']}")


def _print(rules: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rules, ensure_ascii=False, indent=2))
    else:
        for rule in rules:
            typer.echo(_line(rule))


def _line(rule: dict[str, Any]) -> str:
    wanted = {name: rule[name] for name in ("step", "message", "person", "case", "times") if rule[name] is not None}
    wanted |= {} if rule["rate"] == 1 else {"rate": rule["rate"], "seed": rule["seed"]}
    said = " ".join(f"{name}={value}" for name, value in {**wanted, **rule["parameters"]}.items())
    counted = "" if rule["matched"] is None else f"; met {rule['matched']}, hit {rule['hits']}"
    return f"{rule.get('process', rule['system'])}: {rule['name']} ({rule['place']}) {said}".rstrip() + counted


def _parameters(seconds: float | None, more: list[str]) -> dict[str, float | str]:
    from sandbox.cli import fail

    found: dict[str, float | str] = {} if seconds is None else {"seconds": seconds}
    for one in more:
        name, sign, value = one.partition("=")
        if not sign:
            fail(f"{one!r} is no parameter; write name=value", 2)
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def run_aimed(
    home: Path | None, target: str | None, token_file: Path | None, work: Callable[[Aim, Home], Awaitable[T]]
) -> T:
    """Exits 1 when the sandbox refuses, 2 when the wish names nothing there, 3 when it is not to be had."""
    import httpx

    from sandbox.bootstrap import RefusedByService
    from sandbox.cli import fail
    from sandbox.composition import Home
    from sandbox.faults import NamesNothing
    from sandbox.options import home_of
    from sandbox.running import run
    from sandbox.target import NoTarget, TargetRefused
    from sandbox.target import target as aimed

    at = Home(home_of(home))

    async def ask() -> T:
        async with aimed(at, target, token_file) as aim:
            return await work(aim, at)

    try:
        return run(ask())
    except TargetRefused as error:
        wrong = "; ".join(f"{one['field']}: {one['message']}" for one in error.problem.get("errors", []))
        fail(f"{error} {wrong}".rstrip(), 2 if wrong else 1)
    except (NamesNothing, RefusedByService) as error:
        fail(str(error), 2 if isinstance(error, NamesNothing) else 1)
    except (NoTarget, OSError, httpx.HTTPError) as error:
        fail(str(error) if isinstance(error, NoTarget) else f"{type(error).__name__}: {error}", 3)

"""The `egov` command. Heavy imports live inside the commands: `egov --help` answers at once."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from sandbox.bootstrap_cli import app as bootstrap_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The twin of Kazakhstan's e-government bus: start it, watch it, check it.",
)
journal_app = typer.Typer(no_args_is_help=True, help="The journals as evidence.")
regulations_app = typer.Typer(no_args_is_help=True, help="The law as data.")
bench_app = typer.Typer(no_args_is_help=True, help="Measure: ratios of one run, never tests.")
app.add_typer(bootstrap_app, name="bootstrap")
app.add_typer(journal_app, name="journal")
app.add_typer(regulations_app, name="regulations")
app.add_typer(bench_app, name="bench")


class PortChoice(StrEnum):
    FIXED = "fixed"  # compose's: 8010 to 8080
    AUTO = "auto"  # free ones


class Sabotage(StrEnum):
    LATE_ANSWER = "late-answer"
    SKIP_STEP = "skip-step"
    FORGE = "forge"


HomeOption = Annotated[Path | None, typer.Option("--home", help="Where files are kept (EGOV_HOME; default .egov).")]
PortsOption = Annotated[PortChoice, typer.Option("--ports", help="Compose's ports, or free ones.")]
AmqpOption = Annotated[str | None, typer.Option("--amqp", help="RabbitMQ, amqp://user:password@host/vhost")]
DbOption = Annotated[str | None, typer.Option("--db", help="PostgreSQL, postgresql://user:password@host/postgres")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


def home_of(home: Path | None) -> Path:
    return home or Path(os.environ.get("EGOV_HOME") or ".egov")


def fail(message: str, status: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


@app.command()
def up(
    *,
    home: HomeOption = None,
    ports: PortsOption = PortChoice.FIXED,
    production: Annotated[bool, typer.Option("--production", help="A process per service.")] = False,
    amqp: AmqpOption = None,
    db: DbOption = None,
    gateways: Annotated[int, typer.Option("--gateways", min=1, max=8, help="Of each gateway.")] = 1,
) -> None:
    """Start every service and stay up until SIGTERM or Ctrl-C."""
    from sandbox.running import run_up

    if production and not (amqp and db):
        fail("--production needs --amqp and --db", 2)
    if not production and (amqp or db):
        fail("--amqp and --db belong to --production", 2)
    raise typer.Exit(run_up(home_of(home), ports=ports.value, amqp=amqp, db=db, gateways=gateways))


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Exit with the verdict instead of staying up.")] = False,
    sabotage: Annotated[Sabotage | None, typer.Option("--sabotage", help="Break one rule; must exit 1.")] = None,
    home: HomeOption = None,
    ports: Annotated[PortChoice | None, typer.Option("--ports", help="auto with --once, else fixed")] = None,
) -> None:
    """One application issued, one refused; a line per hop, compared with what the act says."""
    from sandbox.demo import run_demo

    raise typer.Exit(
        run_demo(
            home,
            once=once,
            sabotage=sabotage.value if sabotage else None,
            ports=ports.value if ports else None,
        )
    )


@journal_app.command("verify")
def journal_verify(home: HomeOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Check every chain; exits 0 sound, 1 broken, 2 empty, 3 unreadable."""
    from sandbox.evidence import run_verify

    raise typer.Exit(run_verify(home_of(home), db, as_json=as_json))


@regulations_app.command("list")
def regulations_list() -> None:
    """One line per regulation."""
    for one in catalogue().regulations:
        typer.echo(f"{one.code}  v{one.version}  {one.region}  {', '.join(one.channels)}")
        typer.echo(f"    {one.title_ru}")


@regulations_app.command("show")
def regulations_show(code: str) -> None:
    """The flow of each channel, item by item, with clauses and limits."""
    regulation = catalogue().regulation(code)
    if regulation is None:
        fail(f"no regulation {code}; `egov regulations list` has them all", 2)
    typer.echo(f"{regulation.code}, version {regulation.version}: {regulation.title_ru}")
    for name, channel in regulation.channels.items():
        limits = {limit.label: limit for limit in channel.limits}
        typer.echo(f"\n{name}")
        for item in channel.flow:
            limit = limits.get(item.label)
            term = f"  [{limit.max_s} s, {limit.clause}]" if limit else ""
            typer.echo(f"  {item.label:<5} п. {item.clause:<6} {item.kind.name}{term}")
            typer.echo(f"        {item.text_ru}")


@regulations_app.command("validate")
def regulations_validate() -> None:
    """Load the catalogue; every fault at once, with file and line."""
    found = catalogue().regulations
    typer.echo(f"{len(found)} regulations are valid")


@regulations_app.command("export")
def regulations_export(as_json: JsonOption = False) -> None:
    """The whole catalogue as JSON."""
    from egovlaw.export import export_catalogue

    if not as_json:
        fail("the only form is JSON: egov regulations export --json", 2)
    print_json(export_catalogue(catalogue()))


def catalogue() -> Any:
    """The catalogue of this installation, or every fault of it and exit 1."""
    from egovkit.contracts import contracts_dir
    from egovlaw.loader import CatalogueInvalid, load_catalogue

    try:
        return load_catalogue(contracts_dir())
    except CatalogueInvalid as invalid:
        fail(str(invalid))


@bench_app.command("start")
def bench_start(as_json: JsonOption = False) -> None:
    """Seconds until ready and memory of the embedded composition."""
    from sandbox.bench import run_start

    print_json(run_start()) if as_json else typer.echo(run_start())


@bench_app.command("gateway")
def bench_gateway(
    as_json: JsonOption = False,
    count: Annotated[int, typer.Option("--count", min=100, help="Envelopes to send.")] = 4000,
    processes: Annotated[int, typer.Option("--processes", min=1, max=8)] = 2,
) -> None:
    """Envelopes through ШЭП on RabbitMQ and PostgreSQL, beside a bare pipe on the same queue."""
    from sandbox.bench import run_gateway

    found = run_gateway(count, processes)
    print_json(found) if as_json else typer.echo(found)


@bench_app.command("e2e")
def bench_e2e(
    as_json: JsonOption = False,
    count: Annotated[int, typer.Option("--count", min=1, help="Applications to send.")] = 100,
    in_flight: Annotated[int, typer.Option("--in-flight", min=1, max=200, help="Under way at a time.")] = 16,
) -> None:
    """Applications a second from the portal to the registered number and back, with p50 and p99."""
    from sandbox.bench_e2e import run_e2e

    found = run_e2e(count, in_flight)
    print_json(found) if as_json else typer.echo(found)

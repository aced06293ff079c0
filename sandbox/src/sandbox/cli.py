"""The `egov` command. Heavy imports live inside the commands: `egov --help` answers at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from sandbox import regulation_papers
from sandbox.agent_cli import agent
from sandbox.bootstrap_cli import app as bootstrap_app
from sandbox.budget_cli import budget, report_app
from sandbox.cassettes import cli as cassettes
from sandbox.certify.cli import certify
from sandbox.citizen_cli import app as citizen_app
from sandbox.client_package import client
from sandbox.clock_cli import app as clock_app
from sandbox.conformance_cli import conformance
from sandbox.contracts_cli import contracts_app
from sandbox.doctor.cli import doctor
from sandbox.faults_cli import app as faults_app
from sandbox.forms_cli import app as forms_app
from sandbox.identities_cli import app as identities_app
from sandbox.journal_cli import case_evidence, journal_app
from sandbox.keys_cli import app as keys_app
from sandbox.log_cli import app as log_app
from sandbox.options import DbOption, HomeOption, JsonOption, home_of
from sandbox.partner_cli import app as partner_app
from sandbox.regulations_cli import app as regulations_app
from sandbox.replay.cli import replay
from sandbox.term_cli import term
from sandbox.traceability.cli import traceability
from sandbox.vectors_cli import vectors_app
from sandbox.webhooks_cli import app as webhooks_app

if TYPE_CHECKING:
    from sandbox.letters import Operator

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The twin of Kazakhstan's e-government bus: start it, watch it, check it.",
)
letters_app = typer.Typer(no_args_is_help=True, help="What the bus could not process: see it, put it back, discard it.")
bench_app = typer.Typer(no_args_is_help=True, help="Measure: ratios of one run, never tests.")
app.add_typer(bootstrap_app, name="bootstrap")
app.add_typer(journal_app, name="journal")
app.add_typer(regulations_app, name="regulations")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(contracts_app, name="contracts")
app.add_typer(bench_app, name="bench")
app.command()(replay)
app.command("evidence")(case_evidence)
app.add_typer(clock_app, name="clock")
app.add_typer(faults_app, name="faults")
app.add_typer(forms_app, name="forms")
app.add_typer(identities_app, name="identities")
app.add_typer(log_app, name="log")
app.add_typer(keys_app, name="keys")
app.command()(cassettes.record)
app.command()(cassettes.play)
app.add_typer(webhooks_app, name="webhooks")
app.command()(conformance)
app.command()(certify)
app.command()(budget)
app.add_typer(report_app, name="report")
app.command("term")(term)
contracts_app.command("client")(client)
app.add_typer(partner_app, name="partner")
app.add_typer(vectors_app, name="vectors")
app.add_typer(citizen_app, name="citizen")
app.command()(agent)
app.command()(doctor)
regulations_app.command("pages")(regulation_papers.pages)
regulations_app.command("digest")(regulation_papers.digest)
regulations_app.command("traceability")(traceability)


class PortChoice(StrEnum):
    FIXED = "fixed"  # compose's: 8010 to 8080
    AUTO = "auto"  # free ones


class Sabotage(StrEnum):
    LATE_ANSWER = "late-answer"
    SKIP_STEP = "skip-step"
    FORGE = "forge"


PortsOption = Annotated[PortChoice, typer.Option("--ports", help="Compose's ports, or free ones.")]
AmqpOption = Annotated[
    str | None, typer.Option("--amqp", envvar="EGOV_AMQP_URL", help="RabbitMQ, amqp://user:password@host/vhost")
]
UrlOption = Annotated[str | None, typer.Option("--url", help="ШЭП; default the one of `egov up`.")]
TokenOption = Annotated[Path | None, typer.Option("--token-file", help="Operators' token; default the home's.")]
AsOption = Annotated[str | None, typer.Option("--as", help="Who acts, for the journal; default your login.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, for the journal.")]
QueueOption = Annotated[str | None, typer.Option("--queue", help="The queue it died in.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="delivery_limit, or the code of a refusal.")]


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
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Offer testers what they need: clock, faults, log.")
    ] = False,
    tls: Annotated[bool, typer.Option("--tls", help="https, by certificates of nuc-mock.")] = False,
    without: Annotated[list[str] | None, typer.Option("--without", help="A system to leave out; repeatable.")] = None,
) -> None:
    """Start every service and stay up until SIGTERM or Ctrl-C."""
    from sandbox.running import run_up

    if production and not (amqp and db):
        fail("--production needs --amqp and --db", 2)
    if not production and (amqp or db):
        fail("--amqp and --db belong to --production", 2)
    if tls and not production:
        fail("--tls belongs to --production", 2)
    status = run_up(
        home_of(home),
        ports=ports.value,
        amqp=amqp,
        db=db,
        gateways=gateways,
        sandbox=sandbox,
        without=without or (),
        tls=tls,
    )
    raise typer.Exit(status)


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Exit with the verdict instead of staying up.")] = False,
    sabotage: Annotated[Sabotage | None, typer.Option("--sabotage", help="Break one rule; must exit 1.")] = None,
    home: HomeOption = None,
    ports: Annotated[PortChoice | None, typer.Option("--ports", help="auto with --once, else fixed")] = None,
) -> None:
    """A result of every channel and one refusal; a line per hop, compared with what the act says."""
    from sandbox.demo import run_demo

    raise typer.Exit(
        run_demo(
            home,
            once=once,
            sabotage=sabotage.value if sabotage else None,
            ports=ports.value if ports else None,
        )
    )


@letters_app.command("list")
def letters_list(
    *,
    state: Annotated[str | None, typer.Option("--state", help="waiting, redriven or discarded")] = None,
    queue: QueueOption = None,
    reason: ReasonOption = None,
    case: Annotated[str | None, typer.Option("--case", help="Of one case.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="The next page, as the last one named it.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Newest first: where, why and how often each died."""
    wanted = {"state": state, "queue": queue, "reason": reason, "case": case, "limit": limit, "cursor": cursor}
    with operator(home, url, token_file) as acting:
        acting.list(wanted, as_json=as_json)


@letters_app.command("show")
def letters_show(
    letter: str,
    *,
    body: Annotated[
        Path | None, typer.Option("--body", help="A file for the exact bytes: reading them is recorded.")
    ] = None,
    home: HomeOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    who: AsOption = None,
) -> None:
    """One letter with its headers."""
    with operator(home, url, token_file, who) as acting:
        acting.show(letter, body)


@letters_app.command("redrive")
def letters_redrive(
    letter: Annotated[str | None, typer.Argument(help="One letter; without it all that wait, oldest first.")] = None,
    *,
    note: NoteOption,
    queue: QueueOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, max=1000, help="Of all; default 100.")] = None,
    home: HomeOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    who: AsOption = None,
) -> None:
    """Put letters back into the queue they died in."""
    wanted = {"queue": queue, "reason": reason, "limit": limit}
    if letter is not None and any(value is not None for value in wanted.values()):
        fail("--queue, --reason and --limit choose among all letters; leave them out for one", 2)
    with operator(home, url, token_file, who) as acting:
        acting.redrive_many(note, wanted) if letter is None else acting.decide(letter, "redrive", note)


@letters_app.command("discard")
def letters_discard(
    letter: str,
    *,
    note: NoteOption,
    home: HomeOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    who: AsOption = None,
) -> None:
    """Decide that a letter is never to be processed; ШЭП keeps it."""
    with operator(home, url, token_file, who) as acting:
        acting.decide(letter, "discard", note)


@contextmanager
def operator(home: Path | None, url: str | None, token_file: Path | None, who: str | None = None) -> Iterator[Operator]:
    """An operator's hold on ШЭП; exits 1 when ШЭП refuses, 3 when it or the token is not to be had."""
    import getpass

    import httpx
    from rich.console import Console

    from sandbox.letters import Operator, Refused, client_of

    try:
        with client_of(home_of(home), url, token_file) as client:
            yield Operator(client, who or getpass.getuser(), Console())
    except Refused as refused:
        fail(str(refused))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{type(error).__name__}: {error}", 3)


@bench_app.command("start")
def bench_start(as_json: JsonOption = False) -> None:
    """Seconds until ready and memory of the embedded composition."""
    from sandbox.bench import run_start

    print_json(run_start()) if as_json else typer.echo(run_start())


@bench_app.command("commands")
def bench_commands(as_json: JsonOption = False) -> None:
    """Seconds of `egov --help`, and of a replay of one scenario from cold."""
    from sandbox.bench import run_commands

    print_json(run_commands()) if as_json else typer.echo(run_commands())


@bench_app.command("catalogue")
def bench_catalogue(as_json: JsonOption = False) -> None:
    """Seconds to read and check the whole law, cold, again and as kept in memory."""
    from sandbox.bench import run_catalogue

    found = run_catalogue()
    print_json(found) if as_json else typer.echo(found)


@bench_app.command("signatures")
def bench_signatures(count: Annotated[int, typer.Option(min=1)] = 200, as_json: JsonOption = False) -> None:
    """Checks of a person's signature: of a new signer, asked about at НУЦ's twin, and of one who comes again."""
    from sandbox.bench_signatures import run_signatures

    print_json(run_signatures(count)) if as_json else typer.echo(run_signatures(count))


@bench_app.command("pages")
def bench_pages(count: Annotated[int, typer.Option(min=1)] = 20, as_json: JsonOption = False) -> None:
    """What one PDF costs: drawn, signed to B-LTA with НУЦ's twin, checked."""
    from sandbox.bench_pages import run_pages

    print_json(run_pages(count)) if as_json else typer.echo(run_pages(count))


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


@bench_app.command("deadlines")
def bench_deadlines(as_json: JsonOption = False) -> None:
    """The look for what is due beside ten thousand and a million deadlines of the future."""
    from sandbox.bench_deadlines import run_deadlines

    found = run_deadlines()
    print_json(found) if as_json else typer.echo(found)


@bench_app.command("query")
def bench_query(
    as_json: JsonOption = False,
    count: Annotated[int, typer.Option("--count", min=1, help="Questions to ask, one after another.")] = 100,
) -> None:
    """A question to the person register through both gateways, beside a plain round trip over the broker."""
    from sandbox.bench_query import run_query

    found = run_query(count)
    print_json(found) if as_json else typer.echo(found)


@bench_app.command("replay")
def bench_replay(
    as_json: JsonOption = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often everything is played.")] = 10,
    parallel: Annotated[int, typer.Option("--parallel", min=1, max=32, help="Worlds.")] = 2,
) -> None:
    """Every scenario again and again in the same worlds: seconds and memory of each round."""
    from sandbox.bench_replay import run_replays

    found = run_replays(rounds, parallel)
    print_json(found) if as_json else typer.echo(found)


@bench_app.command("conformance")
def bench_conformance(
    as_json: JsonOption = False,
    count: Annotated[int, typer.Option("--count", min=10, help="Cases in the journals.")] = 10_000,
) -> None:
    """Cases checked a second from journals of made-up cases, and the memory it takes."""
    from sandbox.bench_conformance import run_bench

    found = run_bench(count)
    print_json(found) if as_json else typer.echo(found)


@bench_app.command("evidence")
def bench_evidence(
    as_json: JsonOption = False,
    rows: Annotated[int, typer.Option("--rows", min=100, help="Rows of a journal.")] = 10_000,
    envelopes: Annotated[int, typer.Option("--envelopes", min=10, help="Submissions, without and with.")] = 500,
) -> None:
    """Verification beside bare P-256, and a gateway's latency while its journal is stamped."""
    from sandbox.bench_evidence import run_evidence_bench

    found = run_evidence_bench(rows, envelopes)
    print_json(found) if as_json else typer.echo(found)

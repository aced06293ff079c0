"""`egov certify`: a world of its own, the partner in it, every obligation judged; 0 certified, 1 not, 2 not run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from egovkit.contracts import contracts_dir, contracts_version, read_once
from egovlaw.loader import load_catalogue
from sandbox.bootstrap import NotReady, RefusedByService
from sandbox.certify.choosing import obligatory
from sandbox.certify.driver import Driver, NotCertifiable
from sandbox.certify.judging import Case, Obligation, contents, obligations
from sandbox.certify.playing import OwnFault, begin
from sandbox.certify.reporting import FORMS, Certificate
from sandbox.certify.rules import trials
from sandbox.certify.stage import LEFT_OUT, Stage, Troupe, kind_of, staged
from sandbox.hosting import StartFailed
from sandbox.running import logging_to, run
from sandbox.world import World

if TYPE_CHECKING:
    from sandbox.certify.driver import About
    from sandbox.certify.playing import Play
    from sandbox.replay.scenario import Scenario

CERTIFIED, NOT_CERTIFIED, NOT_RUN = 0, 1, 2
PATIENCE_SECONDS = 15.0
Heard = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be certified."""

    role: str
    url: str
    regulations: tuple[str, ...] = ()
    patience: float = PATIENCE_SECONDS


def run_certify(wish: Wish, form: str, output: Path | None) -> int:
    quiet = Console(stderr=True)
    try:
        with quiet.status("asking the partner") as status:
            found = run(_run(wish, status.update))
    except (NotCertifiable, StartFailed, OwnFault, NotReady, RefusedByService) as error:
        quiet.print(f"not certified: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return NOT_RUN
    text = FORMS[form](found)
    if output is None:
        print(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
        quiet.print(found.summary, style="green" if found.passed else "red", markup=False, soft_wrap=True)
    return CERTIFIED if found.passed else NOT_CERTIFIED


async def _run(wish: Wish, heard: Heard) -> Certificate:
    """The partner is asked, and the law, before anything is started."""
    with tempfile.TemporaryDirectory(prefix="egov-certify-") as folder, logging_to(Path(folder)):
        world = World(Path(folder), ports="auto", without=LEFT_OUT)
        async with httpx.AsyncClient(trust_env=False) as http:
            driver = Driver(http, wish.url.rstrip("/"), world.clock)
            about = await driver.about(wish.role, contracts_version(contracts_dir()))
            scenarios = chosen(about, wish.regulations)
            heard("starting a world")
            async with world:
                return await certify(Troupe(world), driver, about, scenarios, patience=wish.patience, heard=heard)


def chosen(about: About, regulations: Sequence[str]) -> list[Scenario]:
    law = read_once(load_catalogue, contracts_dir())
    return obligatory(law, kind_of(about), regulations)


async def certify(
    troupe: Troupe,
    driver: Driver,
    about: About,
    scenarios: Sequence[Scenario],
    *,
    patience: float = PATIENCE_SECONDS,
    code: str = "",
    heard: Heard = lambda _: None,
) -> Certificate:
    """In a world that runs; `code`: the partner's on the bus."""
    name = code or f"certified-{kind_of(about).replace('_', '-')}"
    async with staged(troupe, driver, about, patience, name) as stage:
        found: list[Obligation] = []
        for n, scenario in enumerate(scenarios, 1):
            heard(f"{n} of {len(scenarios)}: {scenario.name}")
            play = begun(stage, scenario)
            await play.through()
            found += await judged(play)
        heard("the rules of the bus")
        found += await trials(stage, scenarios, begun, judged)
    return Certificate(about.name, kind_of(about), tuple(found))


def begun(stage: Stage, scenario: Scenario) -> Play:
    law = read_once(load_catalogue, contracts_dir()).by_code[scenario.regulation]
    return begin(stage, scenario, law.channels[scenario.channel], law.version)


async def judged(play: Play) -> list[Obligation]:
    evidence, partner = play.stage.evidence, play.stage.partner
    rows = await evidence.rows(play.case)
    sent = await evidence.sent(play.case, partner)
    case = Case(play.scenario, play.lines, rows, partner, play.reached)
    found = obligations(case, await contents(play, sent))
    if play.fault and all(one.verdict != "broken" for one in found):
        raise OwnFault(play.fault)
    return found

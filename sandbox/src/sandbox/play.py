"""Playing a scenario: synthetic people use the services' public HTTP, and what happened is held against the act.

Which side begins follows from the catalogue: the citizen on the portal, the provider's own desk, the centre's counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from egovkit.contracts import contracts_dir, read_once
from egovlaw.loader import load_catalogue
from sandbox import sabotage as broken
from sandbox.composition import ATTORNEYS, PERSONS, PORTAL, PROVIDER
from sandbox.journals import read_copy
from sandbox.sabotage import FORGE, LATE_ANSWER, SKIP_STEP, case_rows
from sandbox.scenario import Scenario
from sandbox.trace import Difference, Expected, Hop, compare, load_expected, trace
from sandbox.world import World

if TYPE_CHECKING:
    from egovkit.journal import JournalRow
    from sandbox.people import Citizen
    from sandbox.staff import Official
    from sandbox.world import Deployment

CHECKED_STEP, SENDING = "C2", "case.submitted"
SETTLED_SECONDS = 30.0  # the last words of a case pass two gateways after everybody at the desk is done
POLL_SECONDS = 0.05
EXPIRED_FOR = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to. `case` is empty when none was born."""

    scenario: Scenario
    case: str
    hops: Sequence[Hop]
    differences: Sequence[Difference]


class Watcher(Protocol):
    """Who waits for the provider's words."""

    async def until_told(self, case: str, status: str) -> object: ...

    async def until(self, case: str, *states: str) -> object: ...


async def play(world: Deployment, scenario: Scenario, sabotage: str | None = None) -> Outcome:
    """Run one scenario and hold its trace against the expected one. Sabotage is of the portal's scenarios alone."""
    regulation = read_once(load_catalogue, contracts_dir()).by_code[scenario.regulation]
    match regulation.channels[scenario.channel].origin_kind:
        case "portal":
            return await _on_the_portal(world, scenario, sabotage)
        case "provider":
            return await _at_the_desk(world, scenario)
        case _:
            return await _at_the_counter(world, scenario)


async def _on_the_portal(world: Deployment, scenario: Scenario, sabotage: str | None) -> Outcome:
    expected = load_expected(scenario.expected)
    assert scenario.citizen is not None, "the loader lets no portal scenario pass without one"
    citizen = await world.citizen(surname=scenario.citizen.surname, name=scenario.citizen.name)
    if scenario.mishap == "wrong_password":
        return await _refused_login(world, scenario, citizen)
    account = await citizen.settle_in(regulation=scenario.regulation)
    case = await citizen.choose(scenario.regulation)
    await citizen.fill(case, scenario.form, scenario.attachments)
    if scenario.mishap == "expired_certificate":
        await citizen.prepare_in_vain(case, await citizen.old_certificate(EXPIRED_FOR))
        return await _settled(world, scenario, case, account)
    document = await citizen.prepare(case)
    if sabotage == SKIP_STEP:
        await broken.skip_step(world, citizen, document, CHECKED_STEP, step_of(expected, SENDING))
    else:
        await _send(world, citizen, case, document, expected if sabotage == LATE_ANSWER else None)
        if sabotage == FORGE:
            await broken.forge(world, broken.place_of(document), expected.lines[-1].step)
        await decide(world, scenario, citizen, case)
    hops = trace(await _rows(world, case, account))
    return Outcome(scenario, case, hops, compare(expected, hops))


async def _refused_login(world: Deployment, scenario: Scenario, citizen: Citizen) -> Outcome:
    """The portal keeps no name of who failed: the rows are those written since."""
    began = world.clock.now()
    account = await citizen.register(regulation=scenario.regulation)
    await citizen.log_in_wrongly(regulation=scenario.regulation)
    portal = await read_copy(PORTAL, world.journals()[PORTAL])
    refused = [row for row in portal.rows if row.case_id is None and row.time >= began and "person" in row.facts]
    hops = trace([*_registration(portal.rows, account), *refused[-3:]])
    return Outcome(scenario, "", hops, compare(load_expected(scenario.expected), hops))


async def _send(world: Deployment, citizen: Citizen, case: str, document: bytes, late: Expected | None) -> None:
    """Submit, and wait for the number. With `late` the provider's workstation sleeps over the act's limit."""
    if late is not None:
        assert isinstance(world, World), "the intake of a process of its own cannot be held"
        await world.intake(PROVIDER).hold()
    await citizen.submit(case, document)
    if late is not None and isinstance(world, World):
        limit = next(line.limit_s for line in late.lines if line.service == PROVIDER and line.limit_s)
        await broken.answer_late(world, case, limit)
        await world.intake(PROVIDER).release()
    await citizen.until(case, "registered")


async def _at_the_desk(world: Deployment, scenario: Scenario) -> Outcome:
    official = await _official(world, scenario)
    await official.log_in()  # the login that begins the case is fresh: its seconds are the act's first step
    case = await official.open(scenario.regulation)
    await official.enter_consumer(case, await world.example(PERSONS, scenario.consumer or ""))
    await official.ask(case)
    if scenario.check is None:
        await official.until(case, "no_data")
        return await _settled(world, scenario, case)
    await official.until(case, "data_checked")
    await official.fill(case, scenario.form, scenario.papers, scenario.attachments)
    await official.sign_and_send(case)
    await official.take(case)
    await _checked(scenario, official, case)
    return await _settled(world, scenario, case)


async def _at_the_counter(world: Deployment, scenario: Scenario) -> Outcome:
    assert scenario.operator is not None, "a counter has an operator"
    operator = await world.operator(surname=scenario.operator.surname, name=scenario.operator.name)
    case = await operator.open(scenario.regulation)
    iin, attorney = await _consumer(world, scenario)
    await operator.enter_consumer(case, iin, attorney)
    await operator.ask(case)
    if scenario.check is None:
        await operator.until(case, "no_data")
        return await _settled(world, scenario, case)
    await operator.until(case, "data_checked")
    await operator.fill(case, scenario.form, scenario.papers, scenario.attachments)
    await operator.sign_and_send(case)
    await operator.until(case, "registered")
    await decide(world, scenario, operator, case)
    if scenario.result is not None:
        receiver = iin if attorney is None else attorney["representative_iin"]
        await operator.hand_over(case, receiver, to_representative=attorney is not None)
    return await _settled(world, scenario, case)


async def _consumer(world: Deployment, scenario: Scenario) -> tuple[str, dict[str, str] | None]:
    """Whose application it is, and the power of attorney of who came for him."""
    if scenario.attorney is None:
        return await world.example(PERSONS, scenario.consumer or ""), None
    attorney: dict[str, str] = await world.example(ATTORNEYS, scenario.attorney)
    return attorney["principal_iin"], attorney


async def decide(world: Deployment, scenario: Scenario, watcher: Watcher, case: str) -> None:
    """The provider's side: taken, checked, and the result signed or the refusal written."""
    official = await _official(world, scenario)
    # Everybody waits until the last word has come back, as people do; so the trace has one order.
    await watcher.until_told(case, await official.take(case))
    await _checked(scenario, official, case)
    await watcher.until(case, "completed", "refused")


async def _official(world: Deployment, scenario: Scenario) -> Official:
    names = {"surname": scenario.official.surname, "name": scenario.official.name}
    return await world.official(region=scenario.region, office=scenario.office, **names)


async def _checked(scenario: Scenario, official: Official, case: str) -> None:
    assert scenario.check is not None
    await official.check(case, scenario.check.outcome, scenario.check.reasons)
    if scenario.result is not None and scenario.check.outcome == "ok":
        await official.take(case)
        await official.issue_result(case, scenario.result)


async def _settled(world: Deployment, scenario: Scenario, case: str, account: str = "") -> Outcome:
    """The outcome once the journals have as many hops as the act has lines, or will not have them any more."""
    expected = load_expected(scenario.expected)
    deadline = world.clock.monotonic() + SETTLED_SECONDS
    while True:
        hops = trace(await _rows(world, case, account))
        heard = len([one for one in hops if one.of_the_act])
        if heard >= len(expected.lines) or world.clock.monotonic() > deadline:
            return Outcome(scenario, case, hops, compare(expected, hops))
        await world.clock.sleep(POLL_SECONDS)


async def _rows(world: Deployment, case: str, account: str) -> list[JournalRow]:
    """The rows of a case, begun with the account's registration, which happens before any case."""
    rows = await case_rows(world, case)
    if not account:
        return rows
    portal = await read_copy(PORTAL, world.journals()[PORTAL])
    return [*_registration(portal.rows, account), *rows]


def _registration(rows: Sequence[JournalRow], account: str) -> list[JournalRow]:
    return [row for row in rows if row.case_id is None and row.facts.get("account") == account]


def step_of(expected: Expected, message: str) -> str:
    """The label of the step a message stands for."""
    return next(line.step for line in expected.lines if line.message == message)

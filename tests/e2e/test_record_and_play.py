"""What two systems said in one deployment is said again by stand-ins in another one, where they are missing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir, contracts_version
from egovlaw.identifiers import synthetic_iin
from sandbox.bootstrap import answer, bearer
from sandbox.cassettes.cassette import Cassette
from sandbox.cassettes.following import Following
from sandbox.cassettes.playing import How, Player
from sandbox.cassettes.recording import record
from sandbox.cassettes.seat import refuse_unless_missing, seated
from sandbox.composition import PERSONS, PROVIDER, SHEP
from sandbox.replay.worker import THROWAWAY
from sandbox.staff import Operator
from sandbox.target import NoTarget
from sandbox.world import Deployment, World

from .registers import COUNTER

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("world", ["embedded"], indirect=True),
]
KNOWN, OTHER = synthetic_iin(40), synthetic_iin(41)
WAIT_S = 120.0


class Command:
    """`egov` as somebody else's process, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said += line.decode()

    async def until(self, text: str) -> None:
        clock = SystemClock()
        ends = clock.monotonic() + WAIT_S
        while text not in self.said:
            assert self.process.returncode is None and clock.monotonic() < ends, f"not said: {text}\n{self.said}"
            await clock.sleep(0.05)

    async def end(self) -> int:
        status = await asyncio.wait_for(self.process.wait(), WAIT_S)
        await self._reader
        return status


async def egov(*arguments: str | Path) -> Command:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", *map(str, arguments), env={**os.environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    return Command(process)


@asynccontextmanager
async def standing_in(world: Deployment, code: str, cassette: Path) -> AsyncIterator[Command]:
    played = await egov("play", "--as", code, cassette, "--once", "--patience", "120", "--home", world.home.path)
    try:
        await played.until("recorded to it")
        yield played
    finally:
        if played.process.returncode is None:
            played.process.terminate()
            await played.end()


async def apply(operator: Operator, iin: str) -> str:
    """From the counter; the case once it has its number."""
    form = next(dict(act.form) for act in COUNTER.when if act.form)
    case = await operator.apply(COUNTER.regulation, iin, form)
    assert (await operator.until(case, "registered"))["status"]
    return case


async def delivery(world: Deployment, code: str) -> str:
    headers = bearer(world.admin_token(SHEP))
    shown: dict[str, Any] = answer(await world.http.get(f"{world.url(SHEP)}/v1/participants/{code}", headers=headers))
    return str(shown["delivery"])


async def recorded(world: Deployment, code: str, case: str) -> Cassette:
    following = Following(world.aim, world.aim.of(code), world.clock.now() - timedelta(minutes=5))
    return record(code, await following.more(), contracts_version(contracts_dir()), case=case)


@asynccontextmanager
async def playing(world: Deployment, cassette: Cassette) -> AsyncIterator[Player]:
    """The same in this process."""
    told: list[str] = []

    async def follow() -> None:
        """The clock is the world's own."""

    async with seated(world, cassette.system, follow, 2) as seat:
        player = Player(cassette, seat, How(speed=0), told.append, clock=world.clock, ids=world.ids)
        running = asyncio.create_task(player.run())
        try:
            yield player
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_case_goes_on_where_register_and_provider_are_cassettes(world: Deployment, tmp_path: Path) -> None:
    """The register stands at ШЭП's door, the provider at РШЭП's."""
    case, tape = await apply(await world.operator(), KNOWN), tmp_path / "persons.yaml"
    wanted = ("--system", PERSONS, "--case", case, "--since", "5m")
    recording = await egov("record", *wanted, "-o", tape, "--home", world.home.path)
    assert await recording.end() == 0, recording.said
    assert f"to {PERSONS}: 1 query.person; 2 entries" in recording.said
    decisions = await recorded(world, PROVIDER, case)

    async with World(tmp_path / "home", ports="auto", tuned=THROWAWAY, without=[PERSONS, PROVIDER]) as other:
        async with standing_in(other, PERSONS, tape) as register, playing(other, decisions) as provider:
            assert (await delivery(other, PERSONS), await delivery(other, PROVIDER)) == ("http", "http")
            operator = await other.operator()
            unknown = await operator.open(COUNTER.regulation)
            await operator.enter_consumer(unknown, OTHER)
            await operator.ask(unknown)
            await register.until("nearest  entry 1, query.person; they differ in\n      data.criterion.iin: recorded")
            again = await apply(operator, KNOWN)
            assert await register.end() == 1  # not all was answered
            async with asyncio.timeout(WAIT_S):  # the centre may hear of it before the gateway's answer is here
                while not provider.score.said:
                    await SystemClock().sleep(0.05)
        assert again in register.said and KNOWN not in register.said and OTHER not in register.said
        assert "answered 1, said 1, refused 0, no match for 1" in register.said
        score = provider.finished()
        assert (score.answered, score.said, score.well(once=True)) == (1, 1, True)
        assert (await delivery(other, PERSONS), await delivery(other, PROVIDER)) == ("amqp", "amqp")


async def test_a_system_that_is_there_is_not_stood_in_for(world: Deployment) -> None:
    with pytest.raises(NoTarget, match="gbd-fl-mock is up in this deployment: start it with `egov up --without"):
        await refuse_unless_missing(world.aim, PERSONS, None)

"""Keys change while envelopes run: nothing is refused, nothing is lost, and in the end only the new key is good."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from egovkit.signatures.jws import sign_compact
from egovkit.signatures.keys import SigningKey
from sandbox.bootstrap import bearer, load_key
from sandbox.composition import CENTRE, PERSONS, SHEP
from sandbox.keys import Keys
from sandbox.sabotage import case_rows
from sandbox.staff import Operator
from sandbox.world import Deployment

from .registers import COUNTER, begun

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
WORKERS = 2
OVERLAP = 2.0


@dataclass
class Load:
    """Questions to the person register, one after another: signed by centre, ШЭП and ГБД ФЛ."""

    world: Deployment
    operator: Operator
    stopping: bool = False
    answered: list[str] = field(default_factory=list)

    async def one(self) -> str:
        case = await begun(self.world, self.operator, COUNTER)
        await self.operator.ask(case)
        await self.operator.until(case, "data_checked")
        return case

    async def work(self) -> None:
        while not self.stopping:
            self.answered.append(await self.one())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Whatever fails in a worker fails the test."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self.work())
            yield
            self.stopping = True


def keys_of(world: Deployment) -> Keys:
    return Keys(world.home, world.http, world.clock, world.processes())


async def lets_in(world: Deployment, code: str, key: SigningKey) -> bool:
    """Whether ШЭП's door opens to who signs by this key."""
    now = int(world.clock.now().timestamp())
    claims = {"iss": code, "aud": SHEP, "iat": now, "exp": now + 50, "jti": world.ids.new()}
    headers = bearer(sign_compact(claims, key, "egov-access+jwt"))
    return (await world.http.get(f"{world.url(SHEP)}/v1/inbox?limit=1", headers=headers)).is_success


async def test_keys_change_under_load_and_no_envelope_is_refused_or_lost(world: Deployment) -> None:
    operator = await world.operator()
    load, keys = Load(world, operator), keys_of(world)
    old = {code: load_key(world.home, code) for code in (CENTRE, PERSONS, SHEP)}
    async with load.running():
        for code, key in old.items():
            before = len(load.answered)
            done = await keys.rotate(code, overlap=OVERLAP)
            assert done.before == (key.thumbprint,)
            assert key.thumbprint in done.ended, "beside what a fault of another test has left at ШЭП"
            assert done.now == load_key(world.home, code).thumbprint != key.thumbprint
            assert len(load.answered) > before, "nothing ran meanwhile"
    refused = [row.facts for case in load.answered for row in await case_rows(world, case) if row.kind == "refusal"]
    assert refused == []
    assert await load.one()  # with the new keys of all three, the old ones being good no more
    assert not await lets_in(world, CENTRE, old[CENTRE])
    assert await lets_in(world, CENTRE, load_key(world.home, CENTRE))


async def test_a_rotation_killed_in_its_overlap_is_brought_to_its_end(world: Deployment) -> None:
    old = load_key(world.home, CENTRE)
    command = ("-m", "sandbox", "keys", "rotate", CENTRE, "--overlap", "3600", "--home", str(world.home.path))
    rotating = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert rotating.stdout is not None
        async with asyncio.timeout(60):
            while b"every process" not in await rotating.stdout.readline():
                pass
    finally:
        rotating.kill()
        await rotating.wait()
    new = load_key(world.home, CENTRE)
    assert new.thumbprint != old.thumbprint
    for key in (old, new):
        assert await lets_in(world, CENTRE, key), "the overlap has begun: both are good"
    assert old.thumbprint in await keys_of(world).end(CENTRE)
    assert [await lets_in(world, CENTRE, key) for key in (old, new)] == [False, True]


async def test_the_list_shows_where_each_key_is_and_how_long_its_certificate_lasts(world: Deployment) -> None:
    lines = await keys_of(world).lines()  # also of what a fault of another test has left at ШЭП
    (line,) = [line for line in lines if line.system == PERSONS and line.state == "signing"]
    assert line.process in (PERSONS, f"{PERSONS}/1")
    assert (line.registered, line.alarm) == (True, None)
    assert line.thumbprint == load_key(world.home, PERSONS).thumbprint
    assert line.file == str(world.home.keystore(PERSONS))
    text = (await world.http.get(f"{world.url(PERSONS)}/metrics")).text
    assert f'state="signing",thumbprint="{line.thumbprint}"' in text

"""The request log of a sandbox: a case is found in every service it passed, a refusal says why, and both can be done
again - a call by curl, a case by replay."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.case_scenario import scenario_of_case
from sandbox.composition import PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.exchange_log import Log
from sandbox.near_misses import near_miss
from sandbox.partner import Partner, Where
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all
from sandbox.world import Deployment

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    # The other compositions of the session are no sandboxes.
    pytest.mark.parametrize("world", ["embedded"], indirect=True, scope="session"),
]
STORIES = {one.name: one for one in load_all()}


async def test_a_case_is_found_in_every_service_it_passed_and_played_again(world: Deployment, tmp_path: Path) -> None:
    names = ("housing-queue-portal-refused", "housing-queue-desk-issued", "housing-queue-counter-issued")
    played = await play_in(world, [STORIES[name] for name in names])
    assert [one.passed for one in played] == [True] * 3
    log, again = Log(world.aim), []
    for verdict in played:
        found = await log.every({"case": verdict.case})
        if verdict.name == names[0]:
            assert {PORTAL, SHEP, RSHEP, PROVIDER} <= {one.member.code for one in found}
            assert {"http", "bus"} == {one.facts["medium"] for one in found}
        file = tmp_path / f"{verdict.name}.yaml"
        file.write_text(scenario_of_case(verdict.case, found), encoding="utf-8")
        again += load_all(file)
    repeated = await play_in(world, again)
    assert [(one.name, one.passed, one.case == was.case) for one, was in zip(repeated, played, strict=True)] == [
        (name, True, False) for name in names
    ]


async def test_a_refused_envelope_says_why_and_what_is_near_and_curl_repeats_it(world: Deployment) -> None:
    first = STORIES["housing-queue-portal-issued"]
    partner = await Partner.join(world, "partner-log", Where(first.regulation, first.channel, first.region))
    wrong = partner.submission(regulation=first.regulation[:-1])
    assert (await partner.send(wrong)).is_error
    [one] = [one for one in await Log(world.aim).every({"message": wrong.id, "medium": "http"})]
    assert (one.member.code, one.facts["path"], one.body()) == (SHEP, "/v1/envelopes", wrong.encode())
    assert one.facts["reason"]["code"] == "route.unknown_regulation"
    assert near_miss(one, one.envelope) == f"the nearest regulation is {first.regulation}"

    status, command = await egov(world, "curl", one.id)
    assert status == 0
    shell = await asyncio.create_subprocess_exec("/bin/sh", "-ec", command, stdout=asyncio.subprocess.PIPE)
    answer = (await shell.communicate())[0].decode()
    assert '"code":"route.unknown_regulation"' in answer
    assert len(await Log(world.aim).every({"message": wrong.id, "medium": "http"})) == 2
    status, said = await egov(world, "--message", wrong.id, "--refused")
    assert status == 0 and said.count(f"near miss: the nearest regulation is {first.regulation}") == 2


async def egov(world: Deployment, *arguments: str) -> tuple[int | None, str]:
    """`egov log` as a tester calls it."""
    command: list[Any] = [sys.executable, "-m", "sandbox", "log", *arguments, "--home", str(world.home.path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=dict(os.environ))
    said = (await process.communicate())[0].decode()
    return process.returncode, said

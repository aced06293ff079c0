"""What `egov record` and `egov play` do: found out what is wrong first, then done, then said how it went."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir, contracts_version
from egovkit.ids import SystemIds
from egovkit.sandbox.clock import PATH as CLOCK
from sandbox.bootstrap import RefusedByService, write_private
from sandbox.cassettes.cassette import Cassette, CassetteInvalid, counted, read_cassette
from sandbox.cassettes.following import Following
from sandbox.cassettes.playing import How, Player, summary
from sandbox.cassettes.recording import NothingRecorded, Passed, record
from sandbox.cassettes.seat import Reached, refuse_unless_missing, seated
from sandbox.clock_cli import parse_duration
from sandbox.composition import PARTICIPANTS, RSHEP, SHEP, Home
from sandbox.running import run, stop_event, until_stopped
from sandbox.target import Aim, NoTarget, TargetRefused, target

FOLLOW_SECONDS = 0.5
NOT_WELL, BAD_INPUT, WRONG_TARGET = 1, 2, 3
PLAYABLE = tuple(code for code in PARTICIPANTS if code not in (SHEP, RSHEP))  # nobody stands in for a gateway


class BadInput(Exception):
    """Of the command line."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the deployment is."""

    home: Path
    url: str | None = None
    token_file: Path | None = None


def run_record(place: Place, system: str, output: Path, *, case: str | None, since: str | None) -> int:
    """`egov record`; returns the exit status."""

    async def work() -> int:
        stop = stop_event()
        if system not in PLAYABLE:
            raise BadInput(f"{system!r} is no system that can be stood in for; {', '.join(PLAYABLE)} are")
        async with target(Home(place.home), place.url, place.token_file) as aim:
            members = aim.of(system)
            now = datetime.fromisoformat((await aim.ask("GET", members[0], CLOCK))["now"])
            following = Following(aim, members, now if since is None else moment(since, now))
            found: list[Passed] = await following.more()
            if since is None:
                tell(f"recording {system}; Ctrl-C ends it")
                await _follow(following, found, stop)
        made = record(system, found, contracts_version(contracts_dir()), case=case)
        write_private(output, made.text().encode())
        tell(f"{output}: to {system}: {counted(made.requests)}; {len(made.entries)} entries")
        return 0

    return _guarded(work())


async def _follow(following: Following, found: list[Passed], stop: asyncio.Event) -> None:
    """Until it is stopped, or the deployment is gone: what was heard is kept."""
    clock, on = SystemClock(), True
    while on:
        on = not stop.is_set()
        try:
            fresh = await following.more()
        except httpx.HTTPError as error:
            tell(f"the deployment does not answer any more ({type(error).__name__})")
            return
        found += fresh
        if fresh:
            tell(f"{len(found)} messages")
        if on:
            await until_stopped(clock.sleep(FOLLOW_SECONDS), stop)


def run_play(place: Place, system: str, path: Path, how: How) -> int:
    """`egov play`; returns the exit status."""

    async def work() -> int:
        stop = stop_event()
        cassette = cassette_of(path, system)
        async with target(Home(place.home), place.url, place.token_file, without=system) as aim:
            await refuse_unless_missing(aim, system, place.url)
            return await _play(aim, Reached(Home(place.home), aim), cassette, how, stop)

    return _guarded(work())


def cassette_of(path: Path, system: str) -> Cassette:
    """BadInput, CassetteInvalid."""
    if system not in PLAYABLE:
        raise BadInput(f"{system!r} is no system that can be stood in for; {', '.join(PLAYABLE)} are")
    cassette = read_cassette(path, contracts_dir())
    if cassette.system != system:
        raise CassetteInvalid(f"{path}: it was recorded of {cassette.system}, not of {system}")
    return cassette


async def _play(aim: Aim, world: Reached, cassette: Cassette, how: How, stop: asyncio.Event) -> int:
    await world.follow()
    gateways = len([member for member in aim.members if member.code in (SHEP, RSHEP)])
    async with seated(world, cassette.system, world.follow, gateways) as seat:
        player = Player(cassette, seat, how, tell, clock=world.clock, ids=SystemIds(world.clock))
        await until_stopped(player.run(), stop)
        score = player.finished()
        for line in summary(score):
            tell(line)
    return 0 if score.well(once=how.once) else NOT_WELL


def moment(text: str, now: datetime) -> datetime:
    """A duration before now, or a moment. BadInput."""
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--since {text!r}: write 90s, 15m, 2h, or 2026-01-15T04:00:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)


def tell(text: str) -> None:
    """A line at once, also into a pipe: whoever reads along waits for it."""
    print(text, flush=True)


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _guarded(work: Coroutine[Any, Any, int]) -> int:
    try:
        return run(work)
    except (CassetteInvalid, BadInput) as error:
        complain(str(error))
        return BAD_INPUT
    except NothingRecorded as error:
        complain(f"{error}: nothing is written")
        return NOT_WELL
    except (NoTarget, TargetRefused, RefusedByService, OSError, httpx.HTTPError) as error:
        complain(str(error) or type(error).__name__)
        return WRONG_TARGET

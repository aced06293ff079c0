"""The place of a missing system: its delivery switched to HTTP, its inbox at its gateway, its own key.

The same in one process and in many, and wherever an operator's token and the system's key store are at hand.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx

from egovkit.clock import ShiftedClock, SystemClock
from egovkit.envelope import Envelope
from egovkit.sandbox.clock import PATH as CLOCK
from sandbox.bootstrap import answer, bearer, participants
from sandbox.cassettes.playing import Problem
from sandbox.composition import BY_CODE, RSHEP, SHEP, Home
from sandbox.partner import Partner, Where
from sandbox.target import Aim, NoTarget
from sandbox.world import Deployment

Follow = Callable[[], Awaitable[None]]

NOWHERE = Where("-", "-", "-")
LEARNT_SECONDS = 3.0  # the processes of the gateways look for a newer member list every two


class Reached(Deployment):
    """A sandbox that somebody else started; its clock is followed."""

    def __init__(self, home: Home, aim: Aim) -> None:
        self._shifted = ShiftedClock(SystemClock())
        super().__init__(home.path, clock=self._shifted)
        self.home = home
        self.urls = {member.code: member.url for member in reversed(aim.members)}
        self._http = aim.http
        self._aim = aim

    async def follow(self) -> None:
        """Be as far ahead as it is now: its gateways refuse what comes from the past."""
        [first, *_] = self._aim.of(SHEP)
        ahead = timedelta(seconds=(await self._aim.ask("GET", first, CLOCK))["offset_s"])
        if ahead > self._shifted.offset:
            self._shifted.advance(ahead - self._shifted.offset)


class HttpSeat:
    """`follow`: brings our clock to where the deployment's is, before anything is signed or judged by time."""

    def __init__(self, partner: Partner, follow: Follow) -> None:
        self._partner = partner
        self._follow = follow

    @property
    def place(self) -> str:
        door = self._partner.door
        return f"inbox of {door}, {self._partner.world.url(door)}/v1/inbox"

    async def inbox(self) -> list[Envelope]:
        await self._follow()
        return [Envelope.parse(base64.b64decode(one["envelope"])) for one in await self._partner.inbox()]

    async def acknowledge(self, ids: Sequence[str]) -> None:
        await self._partner.acknowledge(ids)

    async def send(self, envelope: Envelope) -> Problem | None:
        answered = await self._partner.send(envelope, headers={"Accept-Language": "en"})
        if answered.is_success:
            return None
        try:
            said = answered.json()
            return Problem(said["code"], f"{said['detail']} {said['remedy']}", self._partner.door)
        except (ValueError, KeyError, TypeError):
            return Problem(f"http.{answered.status_code}", answered.text[:200], self._partner.door)


@asynccontextmanager
async def seated(world: Deployment, code: str, follow: Follow, processes: int) -> AsyncIterator[HttpSeat]:
    """The system's envelopes wait at its gateway's door meanwhile; afterwards they go where they went.

    `processes`: of the gateways; the change reaches the first of ШЭП at once, every other one within seconds.
    """
    url = f"{world.url(SHEP)}/v1/participants/{code}"
    headers = bearer(world.admin_token(SHEP))
    shown = answer(await world.http.get(url, headers=headers))
    door = RSHEP if shown["regions"] else SHEP
    partner = Partner(world, code, await world.key(code), NOWHERE, door)
    answer(await world.http.patch(url, json={"delivery": "http"}, headers=headers))
    try:
        if door == RSHEP or processes > 2:
            await world.clock.sleep(LEARNT_SECONDS)
        yield HttpSeat(partner, follow)
    finally:
        await _put_back(world, code, url, headers)


async def _put_back(world: Deployment, code: str, url: str, headers: dict[str, str]) -> None:
    """To what the register began with: what a player that was killed left behind is put right by the next one."""
    try:
        answer(await world.http.patch(url, json={"delivery": participants()[code]["delivery"]}, headers=headers))
    except httpx.TransportError as error:
        raise NoTarget(
            f"{SHEP} is gone ({type(error).__name__}); {code} still fetches by HTTP there: "
            "when it is up again, play once more, or change the participant's delivery"
        ) from error


async def refuse_unless_missing(aim: Aim, code: str, url: str | None) -> None:
    """NoTarget for a system that is there: two would answer."""
    if any(member.code == code for member in aim.members):
        raise NoTarget(f"{code} is up in this deployment: start it with `egov up --without {code}`")
    if url is None:
        return
    there = f"{url.rstrip('/')}:{BY_CODE[code].port}"
    try:
        await aim.http.get(f"{there}/health/live")
    except httpx.TransportError:
        return
    raise NoTarget(f"{code} is up at {there}: stop it first")

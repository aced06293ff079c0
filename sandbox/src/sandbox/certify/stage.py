"""The world a partner is certified in: both gateways and НУЦ are the twin's; all other sides are played by us, each a
participant with a key of its own, so that they may also do what no service of ours would."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from egovkit.clock import ShiftedClock
from egovkit.contracts import contracts_dir, contracts_version
from egovkit.signatures.certificates import TrustStore, load_certificate
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.trust_source import TrustSource
from sandbox import bootstrap
from sandbox.bootstrap import answer, bearer
from sandbox.certify.driver import Driver
from sandbox.certify.evidence import Evidence, Letter
from sandbox.composition import ATTORNEYS, BY_CODE, CENTRE, NUC, PERSONS, PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.partner import BIN, Partner, Where
from sandbox.people import KEYSTORE_PASSWORD, NAMES, issue, open_container

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from sandbox.certify.driver import About
    from sandbox.world import World

# A role's name on the bus, and the system of the twin whose place it takes.
KINDS: Mapping[str, str] = {
    "portal": PORTAL, "centre": CENTRE, "provider": PROVIDER, "person_register": PERSONS,
    "attorney_register": ATTORNEYS,
}  # fmt: skip
LEFT_OUT = tuple(code for code in BY_CODE if code not in (NUC, SHEP, RSHEP))
ELSEWHERE = "proving-provider-elsewhere"  # serves the first region, the other the rest: ask whom
FIRST_LOOK, LAST_LOOK = 0.02, 0.2  # seconds between two looks
OFFICE = "Бөлім (үлгі)"


def kind_of(about: About) -> str:
    """The participant's kind in ШЭП's register."""
    return f"{about.register}_register" if about.role == "register" else about.role


@dataclass(frozen=True, slots=True)
class Signer:
    """A synthetic person with a certificate of НУЦ's twin."""

    iin: str
    key: SigningKey
    issued: Mapping[str, Any]

    def container(self) -> dict[str, str]:
        """What an official brings to his workstation."""
        return {"iin": self.iin, "pkcs12": self.issued["pkcs12"], "password": KEYSTORE_PASSWORD}


@dataclass(slots=True)
class Stage:
    """`codes`: who stands in the place of which system of the twin. `patience`: seconds of the machine, until what the
    partner owes counts as not come; the clock of the bus then runs past the act's limit."""

    world: World
    driver: Driver
    about: About
    evidence: Evidence
    patience: float
    lists: TrustSource
    partner: str
    others: dict[str, Partner] = field(default_factory=dict)
    people: dict[str, Signer] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)  # cases whose envelopes are not brought to the partner meanwhile
    kept: list[Letter] = field(default_factory=list)

    async def until(self, seen: Callable[[], Awaitable[bool]]) -> bool:
        """Carry letters until it is so; False when patience ends before."""
        deadline, pause = asyncio.get_running_loop().time() + self.patience, FIRST_LOOK
        while True:
            await self.carry()
            if await seen():
                return True
            if asyncio.get_running_loop().time() > deadline:
                return False
            await self.world.clock.sleep(pause)
            pause = min(LAST_LOOK, pause * 1.5)

    async def carry(self) -> None:
        """Bring what waits at the gateways to whom it is for."""
        codes = [self.partner, *(one.code for one in self.others.values())]
        for letter in await self.evidence.letters(codes):
            self.letters.append(letter)
            if letter.recipient != self.partner:
                continue
            if letter.envelope.subject in self.held:
                self.kept.append(letter)
            else:
                await self.driver.deliver(letter.wire)

    async def pass_time(self, seconds: float) -> None:
        """Here nothing comes due on the way but what is tried, so the clock may jump."""
        clock = self.world.clock
        assert isinstance(clock, ShiftedClock), "a world of our own has a clock that can be moved"
        clock.advance(timedelta(seconds=seconds))
        await self.lists.refresh(force=True)

    def by(self, place: str) -> Partner:
        """Our own system in the place of this one of the twin."""
        return self.others[place]

    def seen_from(self, region: str) -> Stage:
        """The same stage, with the provider of the region in his place."""
        if region != _regions()[0] or self.codes[PROVIDER] == self.partner:
            return self
        there = {PROVIDER: self.others[ELSEWHERE], ELSEWHERE: self.others[PROVIDER]}
        return replace(self, codes={**self.codes, PROVIDER: ELSEWHERE}, others={**self.others, **there})

    def letter(self, envelope: Envelope) -> Letter | None:
        """The very letter that came of an envelope."""
        return next((one for one in self.letters if one.envelope.id == envelope.id), None)


@dataclass(slots=True)
class Troupe:
    """All other sides of a world, and the people: the same for every partner that is certified in it."""

    world: World
    systems: dict[str, Partner] = field(default_factory=dict)
    people: dict[str, Signer] = field(default_factory=dict)

    async def gather(self, own: str) -> dict[str, Partner]:
        """Everybody but who stands in the partner's own place."""
        where = Where("-", "-", "-")
        for kind, place in KINDS.items():
            if place not in self.systems and place != own:
                regions = _regions()[1:] if kind == "provider" else ()
                code = f"proving-{kind.replace('_', '-')}"
                self.systems[place] = await Partner.join(self.world, code, where, kind=kind, regions=regions)
        if ELSEWHERE not in self.systems:
            self.systems[ELSEWHERE] = await Partner.join(
                self.world, ELSEWHERE, where, kind="provider", regions=_regions()[:1]
            )
        for who, wanted in _people(self.world).items():
            if who not in self.people:
                self.people[who] = await _signer(self.world, wanted)
        return {place: partner for place, partner in self.systems.items() if place != own}


@asynccontextmanager
async def staged(troupe: Troupe, driver: Driver, about: About, patience: float, code: str) -> AsyncIterator[Stage]:
    """The partner a participant of its role, told of everybody else."""
    world = troupe.world
    journals = {gateway: place for gateway, place in world.journals().items() if gateway in (SHEP, RSHEP)}
    trust = TrustStore(load_certificate(world.home.trust_root.read_bytes()))
    lists = TrustSource(trust, world.http, world.clock, world.url(NUC))
    await lists.refresh()
    async with Evidence(journals) as evidence:
        stage = Stage(world, driver, about, evidence, patience, lists, code)
        await driver.reset()
        stage.others, stage.people = await troupe.gather(KINDS[kind_of(about)]), dict(troupe.people)
        await _join(stage)
        await stage.carry()  # nothing of before is meant for this partner
        stage.letters.clear()
        yield stage


def _people(world: World) -> dict[str, dict[str, Any]]:
    """Who applies, with a good certificate and with one that ran out; who signs for an organisation."""
    now = world.clock.now()
    old = {"not_before": (now - timedelta(days=400)).isoformat(), "not_after": (now - timedelta(days=30)).isoformat()}
    staff = {"bin": BIN, "organisation": OFFICE, "profile": "employee_sign"}
    return {
        "citizen": {}, "expired": old, "another": {}, "official": staff, "official_expired": staff | old,
    }  # fmt: skip


async def _signer(world: World, wanted: Mapping[str, Any]) -> Signer:
    issued = await issue(world, world._next_person(), {**NAMES, **wanted})
    return Signer(issued["iin"], await open_container(issued), issued)


def _regions() -> list[str]:
    return list(bootstrap.participants()[PROVIDER]["regions"])


async def _join(stage: Stage) -> None:
    """A participant of the role, its certificate from a request it made itself."""
    world, kind, code = stage.world, kind_of(stage.about), stage.partner
    headers = bearer(world.admin_token(SHEP))
    register = f"{world.url(SHEP)}/v1/participants"
    body = {
        "code": code, "kind": kind, "name_ru": f"Система партнёра: {stage.about.name}"[:200],
        "name_kk": f"Серіктес жүйесі: {stage.about.name}"[:200], "bin": BIN, "kato": "750000000",
        "regions": _regions() if kind == "provider" else [], "services": ["*"], "delivery": "http",
    }  # fmt: skip
    answer(await world.http.post(register, json=body, headers=headers))
    wanted = {"csr": (await stage.driver.request(code)).decode(), "profile": "system", "common_name": code, "bin": BIN}
    nuc = bearer(world.admin_token(NUC)) | {"Idempotency-Key": world.ids.new()}
    issued = answer(await world.http.post(f"{world.url(NUC)}/v1/certificates", json=wanted, headers=nuc))
    certificate = str(issued["certificate"])
    held = await world.http.post(f"{register}/{code}/certificates", json={"certificate": certificate}, headers=headers)
    answer(held)
    own = KINDS[kind]
    stage.codes = {place: partner.code for place, partner in stage.others.items()} | {own: code}
    await stage.driver.join(_facts(stage, kind, certificate, bootstrap.pems(issued["chain"])))


def _facts(stage: Stage, kind: str, certificate: str, chain: list[str]) -> dict[str, Any]:
    world = stage.world
    door = RSHEP if kind == "provider" else SHEP
    elsewhere = {"code": ELSEWHERE, "kind": "provider", "regions": _regions()[:1]}
    serves = _regions() if stage.partner == stage.codes[PROVIDER] else _regions()[1:]
    systems = [elsewhere, *(
        {"code": stage.codes[place], "kind": known, "regions": serves if known == "provider" else []}
        for known, place in KINDS.items()
    )]  # fmt: skip
    return {
        "code": stage.partner,
        "contracts": contracts_version(contracts_dir()),
        "certificate": certificate,
        "chain": chain,
        "door": world.url(door),
        "members": f"{world.url(SHEP)}/v1/members",
        "nuc": world.url(NUC),
        "root": base64.b64encode(world.home.trust_root.read_bytes()).decode(),
        "systems": systems,
        "official": stage.people["official"].container(),
    }

"""The portal alone: SQLite file, memory bus, hand-moved clock, a certification authority of the test, and a ШЭП of the
test that owns a gateway's key, reads shep.ingress and speaks to inbox.portal-pep."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope
from egovkit.ids import Ids
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from egovkit.testing.plugin import Migrated
from egovorigin.testing import (
    PASSWORD,
    REGULATION,
    FakeShep,
    Labels,
    Place,
    Provider,
    World,
    files_in,
    running,
)
from egovorigin.testing_caller import Caller
from portal_pep.app import create_app
from portal_pep.settings import PortalPepSettings

PLACE = Place(
    "portal-pep",
    "portal",
    "portal",
    Labels("P6", "P7", "P8", "C3", "6 8)"),
    neighbours={"registers-mock": "akimat_register", "gbd-fl-mock": "person_register"},
    regions={"registers-mock": ("atyrau",)},
    limit_s=60.0,
)


def document(**body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


@dataclass
class Citizen(Caller):
    """A person with a browser and an ЭЦП."""

    async def put_form(self, case: str, values: Mapping[str, Any], version: int | str = 1) -> httpx.Response:
        return await self.put(f"/v1/cases/{case}/form", {"values": values}, **{"if-match": f'"{version}"'})

    async def register(self, **more: str) -> httpx.Response:
        return await self.post("/v1/accounts", {"iin": self.iin, "password": PASSWORD, **more})

    async def log_in(self, password: str = PASSWORD, **more: str) -> httpx.Response:
        answer = await self.post("/v1/sessions", {"iin": self.iin, "password": password, **more})
        if answer.status_code == 201:
            self.token = answer.json()["token"]
        return answer

    async def confirm(self, key: SigningKey | None = None) -> httpx.Response:
        prepared = await self.post("/v1/accounts/confirmation/prepare")
        assert prepared.status_code == 200, prepared.text
        document = base64.b64decode(prepared.json()["document"])
        return await self.post("/v1/accounts/confirmation", {"signature": self.sign(document, key)})

    async def arrive(self) -> Citizen:
        """Registered, logged in, confirmed."""
        assert (await self.register()).status_code == 201
        assert (await self.log_in()).status_code == 201
        assert (await self.confirm()).status_code == 200
        return self

    async def open(self, **more: Any) -> str:
        answer = await self.post("/v1/cases", {"regulation": REGULATION, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def send(self, regulation: str = REGULATION, **values: Any) -> Envelope:
        """A whole application, up to what ШЭП receives."""
        case = await self.open(regulation=regulation)
        if values or regulation == REGULATION:  # others print forms of their own, or none
            assert (await self.put_form(case, values or {"surname": "СЫНАҚОВ"})).status_code == 200
        answer = await self.submit(case, self.sign(await self.prepared(case)))
        assert answer.status_code == 202, answer.text
        return await self.world.shep.next()

    async def notices(self) -> list[str]:
        found = (await self.get("/v1/notifications", limit=100)).json()["items"]
        return [one["kind"] for one in reversed(found)]


@dataclass
class PortalWorld(World):
    def citizen(self, **odd: Any) -> Citizen:
        iin = self.iin()
        return Citizen(self, iin, self.pki.person(iin, "СЫНАҚОВА", "ӘСЕЛ", **odd))


@pytest.fixture
def settings(tmp_path: Path, pki: TestPki, migrated: Migrated) -> PortalPepSettings:
    migrated("portal_pep", tmp_path / "portal-pep.sqlite3")
    return PortalPepSettings(**files_in(tmp_path, pki, PLACE.code))


@pytest.fixture
async def world(
    settings: PortalPepSettings, pki: TestPki, memory_bus: MemoryBus, clock: HandClock, ids: Ids
) -> AsyncIterator[PortalWorld]:
    async with running(create_app, settings, FakeShep(PLACE, pki, memory_bus, clock, ids), PortalWorld) as world:
        yield world


@pytest.fixture
async def citizen(world: PortalWorld) -> Citizen:
    return await world.citizen().arrive()


@pytest.fixture
def provider_of(world: PortalWorld) -> Callable[[str], Provider]:
    """The provider of a case."""
    return functools.partial(Provider, world)


@pytest.fixture
async def sent(citizen: Citizen, provider_of: Callable[[str], Provider]) -> tuple[Envelope, Provider]:
    """An application ШЭП has received."""
    envelope = await citizen.send()
    return envelope, provider_of(envelope.subject)

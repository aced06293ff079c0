"""A tiny origin, with nothing but what all origins have: SQLite file, memory bus, hand-moved clock, a ШЭП of the test.
It stands in the portal's place on the bus; its cases are put into the database as they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData

from egovkit.bus.memory import MemoryBus
from egovkit.clock import Clock, HandClock
from egovkit.contracts import read_once
from egovkit.db import Database, deadlines_table, kit_tables
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.files import describe
from egovkit.ids import Ids
from egovkit.node import Node
from egovkit.testing.pki import TestPki
from egovlaw.catalogue import Regulation
from egovlaw.kinds import message_type
from egovlaw.loader import load_catalogue
from egovorigin.assembly import shared_parts
from egovorigin.domain.states import Course
from egovorigin.domain.steps import LocalFlow
from egovorigin.handlers import CASE_HANDLERS, bound, prepares
from egovorigin.messages import AnyOrigin, case_of, from_gateway, refusal
from egovorigin.origin import Origin, Turn
from egovorigin.settings import OriginSettings
from egovorigin.store.attempts import Attempts
from egovorigin.store.cases import Cases, OriginCase
from egovorigin.store.files import Files, Result
from egovorigin.store.records import Record, Records
from egovorigin.tables import origin_tables
from egovorigin.testing import (
    PDF,
    PROVIDER,
    REGULATION,
    FakeShep,
    FakeStore,
    Labels,
    Place,
    Provider,
    World,
    files_in,
    running,
)

PLACE = Place("portal-pep", "portal", "portal", Labels("P6", "P7", "P8", "C3", "6 8)"))

metadata = MetaData()
kit, deadlines = kit_tables(metadata), deadlines_table(metadata)
tables = origin_tables(metadata)


class State(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    SENT_BACK = "sent_back"
    CLOSED = "closed"
    REGISTERED = "registered"
    PAUSED = "paused"
    REFUSED = "refused"
    COMPLETED = "completed"


COURSE = Course(**{state.value: state for state in State if state is not State.DRAFT}).transitions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(OriginCase):
    state: State


class Settings(OriginSettings):
    code: ClassVar[str] = PLACE.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiny(Origin[Case, LocalFlow]):
    told: list[tuple[str, bool]] = field(default_factory=list)  # of which event, and whether it counted

    def flow_of(self, regulation: Regulation) -> LocalFlow | None:
        return LocalFlow(regulation.channels[PLACE.channel])

    def not_given(self, code: str) -> EgovError:
        return EgovError("service.not_found", regulation=code)

    def after(self, state: StrEnum, event: StrEnum) -> StrEnum | None:
        return COURSE.get((State(state), event))

    async def heard(self, turn: Turn[Case], now: Case, *, applied: bool) -> None:
        self.told.append((turn.news.event.value, applied))


async def envelope_refused(origin: AnyOrigin, conn: Any, received: Any) -> None:
    case = await case_of(conn, origin, received)
    await from_gateway(conn, origin, received, case, refusal(received))


HANDLERS = {**CASE_HANDLERS, message_type("envelope.refused"): envelope_refused}


class TinyNode(Node):
    async def _migrate(self, db: Database) -> None:
        async with db.begin() as conn:
            await conn.run_sync(metadata.create_all)


def create_app(
    settings: Settings, *, bus: MemoryBus, clock: Clock, ids: Ids, http: httpx.AsyncClient, attachments: FakeStore
) -> FastAPI:
    node = TinyNode(settings, package="egovorigin", tables=kit, bus=bus, clock=clock, ids=ids, http=http)
    catalogue = read_once(load_catalogue, node.contracts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            app.state.origin = origin = Tiny(
                **shared_parts(node, settings, catalogue, attachments),
                cases=Cases(tables.cases, tables.case_steps, Case, State),
                files=Files(tables),
                records=Records(tables.history),
                attempts=Attempts(tables.attempts),
            )
            await node.receive(f"inbox.{node.code}", bound(origin, HANDLERS), prepares=prepares(origin))
            yield

    return node.create_service(lifespan=lifespan)


@dataclass
class TinyWorld(World):
    @property
    def origin(self) -> Tiny:
        origin: Tiny = self.app.state.origin
        return origin

    async def opened(self, **values: Any) -> Case:
        """A draft, unless `values` say otherwise."""
        new = {
            "id": self.shep.ids.new(),
            "regulation": REGULATION,
            "regulation_version": self.origin.regulation(REGULATION)[0].version,
            "region": "atyrau",
            "state": State.DRAFT.value,
            "form": {},
        }
        async with self.origin.db.begin() as conn:
            return await self.origin.cases.insert(conn, self.clock.now(), {**new, **values})

    def envelope(self, case: str) -> Envelope:
        """One that an application went with."""
        return self.shep.envelope("case.submitted", case, {}, step="P5", source=PLACE.code)

    async def sent(self) -> tuple[Envelope, Provider]:
        """An application ШЭП has received."""
        envelope = self.envelope(self.shep.ids.new())
        case = await self.opened(
            id=envelope.subject, state=State.SUBMITTED.value, recipient=PROVIDER, envelope_id=envelope.id, step="P5"
        )
        return envelope, Provider(self, case.id)

    async def attached(self, case: str) -> None:
        async with self.origin.db.begin() as conn:
            facts = describe("copy.pdf", "application/pdf", PDF)
            await self.origin.files.put_attachment(conn, case, facts, b"sealed", self.clock.now())

    async def kept(self, case: str) -> bytes | None:
        """What is kept of its attachment."""
        async with self.origin.db.read() as conn:
            return await self.origin.files.sealed_content(conn, case, "copy.pdf")

    async def case(self, id_: str) -> Case:
        async with self.origin.db.read() as conn:
            case = await self.origin.cases.case(conn, id_)
        assert case is not None
        return case

    async def result(self, case: str) -> Result | None:
        async with self.origin.db.read() as conn:
            return await self.origin.files.result_of(conn, case)

    async def history(self, case: str) -> list[Record]:
        async with self.origin.db.read() as conn:
            return [one.record for one in await self.origin.records.records_of(conn, case, after=0, limit=100)]


@pytest.fixture
async def world(
    tmp_path: Path, pki: TestPki, memory_bus: MemoryBus, clock: HandClock, ids: Ids
) -> AsyncIterator[TinyWorld]:
    settings = Settings(**files_in(tmp_path, pki, PLACE.code))
    async with running(create_app, settings, FakeShep(PLACE, pki, memory_bus, clock, ids), TinyWorld) as world:
        yield world


@pytest.fixture
async def sent(world: TinyWorld) -> tuple[Envelope, Provider]:
    return await world.sent()

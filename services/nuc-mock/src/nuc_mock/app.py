"""All wiring of the twin of НУЦ, in one function that `__main__`, the sandbox and the tests call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from egovkit.clock import Clock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database, upgrade
from egovkit.errors import EgovError
from egovkit.idempotency import Idempotent
from egovkit.ids import Ids, SystemIds
from egovkit.key_watch import log_refusal
from egovkit.log import get_logger
from egovkit.openapi import Documented, Papers
from egovkit.problems import Problems
from egovkit.sandbox.clock import Control, Moment, sandbox_clock, sandbox_control
from egovkit.sandbox.door import sandbox_router
from egovkit.sandbox.faulty_http import bend_http
from egovkit.sandbox.taps import tap_service
from egovkit.service import create_service
from nuc_mock import tables
from nuc_mock.api import admin_routes, public_routes
from nuc_mock.control import control_routes
from nuc_mock.service import Nuc
from nuc_mock.settings import Settings

__all__ = ["create_app"]

_log = get_logger("nuc_mock")


def create_app(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None) -> FastAPI:
    """The application; its lifespan migrates the database, opens the authority and keeps its lists fresh."""
    clock = clock or sandbox_clock(settings)
    control = sandbox_control(settings, clock)
    clock = clock if control is None else control.clock
    ids = ids or SystemIds(clock)
    db = Database(settings.database_url)
    nuc = Nuc(settings, db, clock, ids, None if control is None else control.faults)
    problems = read_once(Problems.load, contracts_dir(settings.contracts))
    idempotent = Idempotent(db, tables.idempotency, clock, ids)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await upgrade(db, "nuc_mock")
        try:
            await _open(nuc, settings.code, problems)
            yield
        finally:
            await nuc.close()
            if control is not None:
                await control.exchanges.flush()

    async def database_answers() -> str | None:
        await db.ping()
        return None

    app = create_service(
        settings.code,
        problems=problems,
        clock=clock,
        ids=ids,
        lifespan=lifespan,
        checks={"database": database_answers, "authority": nuc.waiting_for},
        title="nuc-mock: TEST twin of НУЦ (not the National Certification Authority)",
        papers=Papers(contracts_dir(settings.contracts), settings.port),
    )
    for router in (public_routes(nuc), admin_routes(nuc, idempotent), control_routes(nuc, idempotent)):
        app.serve(router)
    if control is not None:
        _let_time_move(app, nuc, control)
    return app


async def _open(nuc: Nuc, code: str, problems: Problems) -> None:
    """A key or password that can't be used is told with its remedy, as every service of the bus tells it."""
    try:
        await nuc.open()
        _log.warning("nuc.test_authority", says="TEST: not the National Certification Authority; no legal force")
    except EgovError as error:
        log_refusal(code, error, problems)
        raise


def _let_time_move(app: Documented, nuc: Nuc, control: Control) -> None:
    async def next_lists() -> list[Moment]:
        # Not a stop of the clock: the lists are made to outlive a jump before it.
        lists = (await nuc.lists.renew()).values()
        return [Moment("revocation list", min(one.next_update for one in lists), stops=False)]

    control.moments.append(next_lists)
    control.prepares.append(nuc.lists.outlive)
    control.faults.authority = True
    bend_http(app, control.faults)
    app.serve(sandbox_router(control))
    tap_service(app, control)

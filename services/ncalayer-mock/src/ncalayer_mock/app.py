"""All wiring of the agent, in one function that `__main__`, `egov agent` and the tests call."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvicorn

from egovkit.clock import Clock, SystemClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.errors import EgovError
from egovkit.ids import Ids, SystemIds
from egovkit.openapi import Papers
from egovkit.problems import Problems
from egovkit.service import create_service
from egovkit.signatures.tls import client_trust
from ncalayer_mock.api import Door
from ncalayer_mock.control.http import control_routes
from ncalayer_mock.handlers import answer
from ncalayer_mock.service.desk import Desk, Standing
from ncalayer_mock.service.signing import Signing
from ncalayer_mock.settings import HOST, SHORTEST_TOKEN, Settings
from ncalayer_mock.store import KeyRing, KeyUnusable, ServerFiles, control_token, server_files

if TYPE_CHECKING:
    from fastapi import FastAPI

    from egovkit.signatures.stamps import StampService


class CannotStart(Exception):
    """What is in the way, in words."""


@dataclass(slots=True)
class Agent:
    """The parts of one agent, and where it listens once it runs."""

    settings: Settings
    ring: KeyRing
    desk: Desk
    signing: Signing
    door: Door
    control: FastAPI
    token: str = ""
    address: str = ""
    control_address: str = ""
    files: ServerFiles | None = None


def create_agent(
    settings: Settings, http: httpx.AsyncClient, *, clock: Clock | None = None, ids: Ids | None = None
) -> Agent:
    """The agent, wired and not yet listening. `http` asks for time stamps."""
    clock = clock or SystemClock()
    ids = ids or SystemIds(clock)
    ring = KeyRing()
    desk = Desk(ring, clock, ids, settings.patience_s, Standing.CONFIRM if settings.yes else Standing.ASK)
    signing = Signing(desk, clock, partial(_stamps, http, settings.stamps_url))
    control = create_service(
        settings.code,
        problems=read_once(Problems.load, contracts_dir(settings.contracts)),
        clock=clock,
        ids=ids,
        title="ncalayer-mock: the hand of the person who signs",
        papers=Papers(contracts_dir(settings.contracts), settings.control_port),
    )
    agent = Agent(settings, ring, desk, signing, Door(settings, partial(answer, signing)), control)
    control.serve(control_routes(desk, lambda: agent.token, lambda: agent.address))
    agent.token = _token(settings, ids)
    return agent


@asynccontextmanager
async def running(
    settings: Settings, *, clock: Clock | None = None, password: str | None = None
) -> AsyncIterator[Agent]:
    """The agent, listening on its two ports. `password` of the keys, where no file holds it.

    CannotStart: a key, a file or a port that cannot be used.
    """
    clock = clock or SystemClock()
    async with httpx.AsyncClient(trust_env=False, verify=_trust(settings)) as http:
        agent = create_agent(settings, http, clock=clock)
        await asyncio.to_thread(_open_keys, agent, _password(settings) or password)
        async with _door(agent, clock), _control(agent):
            yield agent


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        return client_trust(settings.tls_ca)
    except OSError as error:  # also ssl.SSLError
        raise CannotStart(f"{settings.tls_ca}: {error}") from None


def _stamps(http: httpx.AsyncClient, url: str) -> StampService:
    from egovkit.signatures.stamps import StampService

    return StampService(http, url)


def _token(settings: Settings, ids: Ids) -> str:
    may_make = settings.control_token_file is None
    try:
        return control_token(settings.control_token_path, ids.token, may_make=may_make, shortest=SHORTEST_TOKEN)
    except (OSError, KeyUnusable) as error:
        raise CannotStart(str(error)) from None


def _password(settings: Settings) -> str | None:
    try:
        return settings.password
    except EgovError as error:  # others can read it
        texts = read_once(Problems.load, contracts_dir(settings.contracts)).texts(error)
        raise CannotStart(f"{texts['detail_en']} {texts['remedy_en']}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"{settings.password_file}: {error}") from None


def _open_keys(agent: Agent, password: str | None) -> None:
    for path in agent.settings.keys:
        try:
            agent.ring.add(path.read_bytes(), password, name=path.name)
        except (OSError, KeyUnusable) as error:
            raise CannotStart(f"{path}: {error}") from None


def _server_files(folder: Path) -> ServerFiles:
    """By the machine's time: browsers compare with theirs, whatever the clock of the sandbox says."""
    try:
        return server_files(folder, HOST, SystemClock().now())
    except OSError as error:
        raise CannotStart(str(error)) from None


@asynccontextmanager
async def _door(agent: Agent, clock: Clock) -> AsyncIterator[None]:
    settings = agent.settings
    if settings.tls:
        agent.files = await asyncio.to_thread(_server_files, settings.folder / "tls")
    try:
        server = await agent.door.open(agent.files.context() if agent.files else None)
    except OSError as error:
        raise CannotStart(f"{HOST}:{settings.port} cannot be used: {error.strerror}") from None
    port = next(iter(server.sockets)).getsockname()[1]
    agent.address = f"{'wss' if settings.tls else 'ws'}://{HOST}:{port}"
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


class _QuietServer(uvicorn.Server):
    """uvicorn without its hands on the process: signals belong to who started the agent."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _control(agent: Agent) -> AsyncIterator[None]:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, agent.settings.control_port))
    except OSError as error:
        bound.close()
        raise CannotStart(f"{HOST}:{agent.settings.control_port} cannot be used: {error.strerror}") from None
    bound.listen()  # connections wait in line until uvicorn takes them
    agent.control_address = f"http://{HOST}:{bound.getsockname()[1]}"
    config = uvicorn.Config(agent.control, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = _QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        bound.close()

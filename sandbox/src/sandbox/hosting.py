"""Several HTTP services on one event loop, each with its own port and its own lifespan."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn

from egovkit.serving import ArrivingRequests

if TYPE_CHECKING:
    from fastapi import FastAPI

START_SECONDS = 60.0  # migrations on a slow disk included
STOP_SECONDS = 10  # what a request in flight may still take


class StartFailed(Exception):
    """A service's lifespan raised, or its port was taken; the cause is chained or logged."""


class _QuietServer(uvicorn.Server):
    """uvicorn without its hands on the process: signals are the composition's, and readiness is an event."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._left = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the second server of a loop would restore the first one's handlers and raise SIGINT again

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """uvicorn looks ten times a second whether it should end: half a second for nine services one after another."""
        ticking, left = asyncio.create_task(super().main_loop()), asyncio.create_task(self._left.wait())
        await asyncio.wait({ticking, left}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ticking, left):
            task.cancel()
        await asyncio.gather(ticking, left, return_exceptions=True)

    def leave(self) -> None:
        self.should_exit = True
        self._left.set()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. All are bound before anything starts, so that every service can
    be told the others' addresses."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise StartFailed(f"{host}:{port} cannot be used: {error.strerror}") from error
    bound.setblocking(False)
    return bound


class Host:
    """Serves applications, started in the order they are added, until it closes."""

    def __init__(self) -> None:
        self._running: list[tuple[str, _QuietServer, asyncio.Task[None]]] = []

    async def serve(self, name: str, app: FastAPI, bound: socket.socket) -> None:
        """Start one and return when it accepts connections."""
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            http=ArrivingRequests,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        server = _QuietServer(config)
        task = asyncio.create_task(server.serve(sockets=[bound]), name=f"serve:{name}")
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait({task, ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not server.started:
            server.leave()
            await asyncio.gather(task, return_exceptions=True)
            raise StartFailed(f"{name} did not start; its log says why")
        self._running.append((name, server, task))

    async def close(self) -> None:
        """All together: each waits a moment for the requests in flight."""
        for _, server, _ in self._running:
            server.leave()
        await asyncio.gather(*(task for _, _, task in self._running), return_exceptions=True)
        self._running.clear()

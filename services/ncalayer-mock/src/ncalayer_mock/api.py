"""The WebSocket that pages know: the handshake, who may come, one request at a time.

NCALayer's server speaks first, answers in the order of the questions and gives them no numbers. Heartbeats are answered
while the person still thinks: pages close the connection after three that were not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from ssl import SSLContext
from typing import TYPE_CHECKING

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from egovkit import strictjson
from egovkit.log import get_logger
from ncalayer_mock.domain.protocol import GREETING, HEARTBEAT, VERSION
from ncalayer_mock.settings import HOST, Settings

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

Answer = Callable[[str | None, str], Awaitable[str]]  # (origin, message) -> answer

QUEUED = 4  # requests that wait for their turn; a page that does not wait for answers is no client of NCALayer
SECONDS = 10.0  # for a handshake, and for a farewell
NOT_TEXT, OVER_LIMIT = 1003, 1008  # RFC 6455, 7.4.1; what is too long websockets itself closes with 1009
STATUS = f"NCALayer (TWIN) {VERSION}: it works.\nNot the program of the NCA; signs with keys of a twin.\n"

_log = get_logger("ncalayer_mock.api")


class Door:
    """Lets pages of `origins` in, as many as may be there at once, and carries their messages to `answer`."""

    def __init__(self, settings: Settings, answer: Answer) -> None:
        self._settings, self._answer = settings, answer
        self._server: Server | None = None

    async def open(self, tls: SSLContext | None) -> Server:
        """Listen. OSError when the port is taken."""
        self._server = await serve(
            self._session,
            HOST,
            self._settings.port,
            ssl=tls,
            ssl_handshake_timeout=SECONDS if tls else None,
            process_request=self._let_in,
            open_timeout=SECONDS,
            close_timeout=SECONDS,
            max_size=self._settings.max_message_mb * 1024 * 1024,
            max_queue=QUEUED,
            compression=None,  # on one machine it saves nothing, and a small message could become a large one
            server_header=None,
        )
        return self._server

    def _let_in(self, connection: ServerConnection, request: Request) -> Response | None:
        """None: go on with the handshake. Everything else gets its answer here."""
        origins = request.headers.get_all("Origin")
        if "websocket" not in request.headers.get("Upgrade", "").lower():
            return connection.respond(HTTPStatus.OK, STATUS)
        if len(origins) > 1 or any(one not in self._settings.origins for one in origins):
            _log.warning("agent.origin_refused", origin=str(origins)[:200], remedy="NCALAYER_MOCK_ORIGINS, --origin")
            return connection.respond(HTTPStatus.FORBIDDEN, "This page may not ask the signing agent.\n")
        if self._server is None or len(self._server.connections) >= self._settings.max_connections:
            _log.warning("agent.too_many_connections", limit=self._settings.max_connections)
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.\n")
        return None

    async def _session(self, socket: ServerConnection) -> None:
        """From the greeting to the farewell; a page that leaves takes its question with it."""
        request = socket.request
        origin = request.headers.get("Origin") if request is not None else None
        _log.info("agent.connected", origin=origin)
        waiting: asyncio.Queue[str] = asyncio.Queue(QUEUED)
        worker = asyncio.create_task(self._work(socket, origin, waiting))
        try:
            await socket.send(strictjson.dumps(GREETING).decode())
            await self._read(socket, waiting)
        except ConnectionClosed as closed:  # NCALayer's clients leave without a word
            if closed.sent is not None and closed.sent.code not in (1000, 1001):
                _log.warning("agent.closed", origin=origin, code=closed.sent.code, reason=closed.sent.reason)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            _log.info("agent.disconnected", origin=origin)

    async def _read(self, socket: ServerConnection, waiting: asyncio.Queue[str]) -> None:
        async for message in socket:
            if not isinstance(message, str):
                return await socket.close(NOT_TEXT, "text only")
            if message == HEARTBEAT:
                await socket.send(HEARTBEAT)
                continue
            try:
                waiting.put_nowait(message)
            except asyncio.QueueFull:
                return await socket.close(OVER_LIMIT, "one request at a time")

    async def _work(self, socket: ServerConnection, origin: str | None, waiting: asyncio.Queue[str]) -> None:
        while True:
            await socket.send(await self._answer(origin, await waiting.get()))

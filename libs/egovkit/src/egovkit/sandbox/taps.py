"""Where the request log listens to HTTP: around the whole application of a service, and at the client it asks others
with. (At the bus: egovkit.bus.holdable.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from egovkit.envelope import MAX_ENVELOPE
from egovkit.sandbox.clock import Control
from egovkit.sandbox.exchange_facts import HTTP, Seen
from egovkit.sandbox.exchanges import Exchanges, current

MOST_BODY = MAX_ENVELOPE  # bytes kept of a body: an envelope can be sent again from its record
QUIET = ("/health/", "/metrics", "/v1/sandbox", "/openapi.json")  # asked by machines and by the tester's own tools
_SEEN = "egov_seen"


def tap_service(app: FastAPI, control: Control) -> None:
    """Records what `app` is asked. Outermost, so that it is what the caller saw."""
    if control.exchanges.on:
        app.add_middleware(HttpTap, exchanges=control.exchanges)


class HttpTap:
    """Pure ASGI, as the edge is."""

    def __init__(self, app: ASGIApp, exchanges: Exchanges) -> None:
        self._app = app
        self._exchanges = exchanges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(QUIET):
            await self._app(scope, receive, send)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        facts = {"method": scope["method"], "path": scope["path"], "query": query}
        seen = self._exchanges.begin(HTTP, "in", **facts)
        seen.request_headers = _pairs(scope["headers"])
        token = current.set(seen)
        try:
            await self._app(scope, _reading(seen, receive), _sending(seen, send))
        finally:
            current.reset(token)
            seen.facts["ms"] = round((self._exchanges.clock.monotonic() - seen.began) * 1000, 1)
            self._exchanges.end(seen)


def _pairs(raw: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]


def _reading(seen: Seen, receive: Receive) -> Receive:
    async def read() -> Message:
        message = await receive()
        body = message.get("body", b"") if message["type"] == "http.request" else b""
        seen.request += body[: max(0, MOST_BODY - seen.request_size)]
        seen.request_size += len(body)
        return message

    return read


def _sending(seen: Seen, send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.facts["status"] = message["status"]
            seen.response_headers = _pairs(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            seen.response += body[: max(0, MOST_BODY - seen.response_size)]
            seen.response_size += len(body)
        await send(message)

    return sent


def tap_client(client: httpx.AsyncClient, control: Control) -> Callable[[], None]:
    """Records what `client` asks and is answered, or that nobody answered, until the returned one is called. The body
    of an answer that is no JSON is not seen: who reads a file piece by piece wants to stop at its promised length."""
    if not control.exchanges.on:
        return lambda: None
    tap = ClientTap(client, control.exchanges)
    client.event_hooks["request"].append(tap.asked)
    client.event_hooks["response"].append(tap.answered)
    client.send = tap.send  # type: ignore[method-assign] # no hook of httpx hears of a call that nobody answers
    return tap.untap


class ClientTap:
    """`send` stands before the client's own."""

    def __init__(self, client: httpx.AsyncClient, exchanges: Exchanges) -> None:
        self._client, self._exchanges = client, exchanges
        self._send = client.send

    def untap(self) -> None:
        self._client.event_hooks["request"].remove(self.asked)
        self._client.event_hooks["response"].remove(self.answered)
        self._client.send = self._send  # type: ignore[method-assign]

    async def asked(self, request: httpx.Request) -> None:
        request.extensions[_SEEN] = self._exchanges.begin(HTTP, "out")

    async def answered(self, response: httpx.Response) -> None:
        seen: Seen | None = response.request.extensions.get(_SEEN)
        if seen is None:
            return
        seen.facts["status"] = response.status_code
        seen.response_headers = list(response.headers.multi_items())
        if "json" in response.headers.get("content-type", ""):
            seen.response, seen.response_size = _kept(await response.aread())
        self._put_down(seen, response.request)

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        try:
            return await self._send(request, **how)
        except httpx.TransportError as error:
            seen: Seen | None = request.extensions.get(_SEEN)
            if seen is not None:
                seen.facts |= {"outcome": "unanswered", "detail": f"{type(error).__name__} {error}".strip()[:300]}
                self._put_down(seen, request)
            raise

    def _put_down(self, seen: Seen, request: httpx.Request) -> None:
        url = request.url
        seen.facts |= {"method": request.method, "path": url.path, "query": url.query.decode("latin-1")}
        seen.facts["url"] = f"{url.scheme}://{url.netloc.decode()}"
        seen.request_headers = list(request.headers.multi_items())
        seen.request, seen.request_size = _kept(_content(request))
        seen.facts["ms"] = round((self._exchanges.clock.monotonic() - seen.began) * 1000, 1)
        self._exchanges.end(seen)


def _content(request: httpx.Request) -> bytes:
    try:
        return request.content
    except httpx.RequestNotRead:  # it was sent piece by piece
        return b""


def _kept(body: bytes) -> tuple[bytes, int]:
    return body[:MOST_BODY], len(body)

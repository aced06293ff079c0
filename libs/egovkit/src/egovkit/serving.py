"""`serve`: a service's application on its port, by https where the settings give it a certificate."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from egovkit.errors import EgovError
from egovkit.problems import Problems
from egovkit.settings import ServiceSettings

__all__ = ["ArrivingRequests", "serve", "tls_of"]

ARRIVAL_S: Final = 60.0  # an attachment of 10 MB at 1.4 Mbit/s
MAX_HEAD: Final = 64 * 1024  # request line and headers; ours take 2 KB
FAREWELL_S: Final = 1.0
TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class ArrivingRequests(HttpToolsProtocol):
    """uvicorn's protocol, but that a request arrives whole within `ARRIVAL_S` and with a head of at most `MAX_HEAD`, or
    the connection ends: uvicorn waits for ever and keeps every header, those behind a body too (RFC 9112, 7.1.2), so
    that a few hundred idle clients hold a service's descriptors, and one of them its memory."""

    _late: asyncio.TimerHandle | None = None
    _headers: int = 0  # bytes since a request began, or since the last piece of its body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        self._expect()
        self._headers += len(data)
        super().data_received(data)
        if self._headers > MAX_HEAD:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._headers = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._headers = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._headers = 0
        self._arrived()
        super().on_message_complete()

    def shutdown(self) -> None:
        """The service stops. A client that keeps an idle connection reads it again when it next asks, so over TLS it
        leaves our farewell unanswered, and asyncio would wait for it half a minute: longer than a stop may take."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(FAREWELL_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(ARRIVAL_S, self._give_up)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and not self.cycle.more_body:
            return  # it is our answer that takes long; what came meanwhile is looked at after it
        if not answering or not self.cycle.response_started:
            self.transport.write(TOO_LATE)
        self.transport.close()


def serve(app: FastAPI, settings: ServiceSettings, **options: Any) -> None:
    """Until SIGTERM. `options` are uvicorn's. The certificate is read once, at the start."""
    context = tls_of(settings, app.state.problems)
    if context is not None:
        options["ssl_context_factory"] = lambda *_: context
    options["http"] = ArrivingRequests
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False, **options)


def tls_of(settings: ServiceSettings, problems: Problems) -> ssl.SSLContext | None:
    """What the service shows its clients; None where it is plain. Errors as of `server_context`."""
    if settings.tls_certificate is None or settings.tls_key_file is None:
        return None
    from egovkit.signatures.tls import server_context

    return server_context(settings.tls_certificate, settings.tls_key_file, plain_answer(problems))


def plain_answer(problems: Problems) -> bytes:
    """A whole HTTP/1.1 response: whoever speaks plain HTTP to a TLS port is told so, in HTTP."""
    error = EgovError("request.malformed", reason="https_expected")
    body = json.dumps(problems.render(error), ensure_ascii=False).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body

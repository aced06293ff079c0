"""The outermost layer of every HTTP service: limits, trace, language, metrics, and the last catch.

Pure ASGI (Starlette's BaseHTTPMiddleware would run the endpoint in another task and lose its context variables).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from egovkit.clock import Clock
from egovkit.declared import answered, route_of
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.log import bound_trace, get_logger
from egovkit.problems import MEDIA_TYPE, Language, Problems, negotiate

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_QUIET = ("/health/", "/metrics")  # asked every few seconds: counted, not logged
GONE = 499  # nobody is there to be answered, and nothing of ours has failed; nginx logs the same number
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_log = get_logger("egovkit.http")


class BodyTooLarge(EgovError):
    def __init__(self, limit: int) -> None:
        super().__init__("request.too_large", limit=limit)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How many bytes a request body may have: `default`, or the first of `paths` (a regular expression that has to
    match the whole path, and its limit)."""

    default: int
    paths: Sequence[tuple[str, int]] = ()

    def of(self, path: str) -> int:
        return next((limit for pattern, limit in self.paths if re.fullmatch(pattern, path)), self.default)


class HttpMetrics:
    """Request counts and times by route template (never by path: paths hold identifiers)."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter(
            "egov_http_requests", "Requests answered", ["service", *labels], registry=self.registry
        )
        self._seconds = Histogram(
            "egov_http_request_seconds",
            "Seconds from the first byte of a request to the end of its answer",
            ["service", "method", "route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._service = service

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else "OTHER"  # a caller may invent endless methods
        self._requests.labels(self._service, method, route, str(status)).inc()
        self._seconds.labels(self._service, method, route).observe(seconds)


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def language_of(request: Request) -> Language:
    """The language the caller reads: kk, ru or en."""
    return negotiate(request.headers.get("accept-language"))


def rendered(problems: Problems, error: EgovError, request: Request) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, document and headers of a problem in the caller's language: all that answers with one goes this way."""
    answered(request.scope, error.code)
    lang = language_of(request)
    document = problems.render(error, lang, instance=request.url.path[:300])
    return problems.status(error.code), document, {"content-language": lang, "vary": "Accept-Language"}


def problem_response(problems: Problems, error: EgovError, request: Request) -> JSONResponse:
    """The problem document for an error, in the caller's language."""
    status, document, headers = rendered(problems, error, request)
    if status in (429, 503):
        headers["retry-after"] = str(error.params.get("retry_after", 5))
    return JSONResponse(document, status, headers, media_type=MEDIA_TYPE)


class Edge:
    """See the module. What it lets through either answers or has its exception turned into a problem here."""

    def __init__(
        self, app: ASGIApp, *, problems: Problems, clock: Clock, ids: Ids, limits: BodyLimits, metrics: HttpMetrics
    ) -> None:
        self._app = app
        self._problems = problems
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        exchange = _Exchange(scope, receive, send, self._limits.of(scope["path"]))
        exchange.traceparent = self._trace(exchange.headers.get("traceparent"))
        with bound_trace(exchange.traceparent):
            await self._serve(scope, exchange)
            self._report(scope, exchange, self._clock.monotonic() - started)

    async def _serve(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            exchange.refuse_announced_length()
            if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
                raise EgovError("request.malformed", reason="nul_character")  # no database of ours can hold it
            await self._app(scope, exchange.receive, exchange.send)
        except EgovError as error:
            await self._answer(scope, exchange, error)
        except ClientDisconnect:
            exchange.status = exchange.status or GONE
        except Exception as error:
            # The message of an exception may quote data; only its type goes out, the rest to the log.
            _log.exception("http.unhandled", route=route_of(scope), error=type(error).__name__)
            await self._answer(scope, exchange, EgovError("service.internal"))

    async def _answer(self, scope: Scope, exchange: _Exchange, error: EgovError) -> None:
        if exchange.status is not None:
            raise error  # half an answer is out; the server has to cut the connection
        response = problem_response(self._problems, error, Request(scope))
        await response(scope, exchange.receive, exchange.send)

    def _trace(self, incoming: str | None) -> str:
        """The caller's trace with a span of ours, or a new trace (W3C Trace Context)."""
        span = hashlib.sha256(self._ids.new().encode()).hexdigest()[:16]
        if incoming is not None and _TRACEPARENT.fullmatch(incoming):
            return f"{incoming[:36]}{span}{incoming[52:]}"
        return f"00-{self._ids.new().replace('-', '')}-{span}-01"

    def _report(self, scope: Scope, exchange: _Exchange, seconds: float) -> None:
        route, status = route_of(scope), exchange.status or 500
        self._metrics.observe(scope["method"], route, status, seconds)
        if not route.startswith(_QUIET):
            took = round(seconds * 1000, 1)
            _log.info("http.request", method=scope["method"][:16], route=route, status=status, ms=took)


class _Exchange:
    """One request and its answer: counts the body as it streams in, completes the headers of what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self.headers = Headers(scope=scope)
        self.status: int | None = None
        self.traceparent = ""
        self._receive = receive
        self._send = send
        self._limit = limit
        self._read = 0

    def refuse_announced_length(self) -> None:
        announced = self.headers.get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()):
            raise EgovError("request.malformed", reason="content_length")
        if len(announced) > 18 or int(announced) > self._limit:
            raise BodyTooLarge(self._limit)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._limit:
                raise _StreamTooLarge(self._limit)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["traceparent"] = self.traceparent
            headers.setdefault("cache-control", "no-store")  # answers hold personal data
            headers.setdefault("x-content-type-options", "nosniff")
        await self._send(message)


class _StreamTooLarge(BodyTooLarge):
    """Raised in the middle of reading: FastAPI wraps what happens there in an HTTPException(400)."""


def too_large_behind(error: BaseException) -> BodyTooLarge | None:
    """The limit that was hit, if that is what made reading the body fail."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BodyTooLarge):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None

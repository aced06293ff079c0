"""`create_service`: a FastAPI application that answers the way every service of the bus answers.

Problems instead of framework errors, limits while streaming, health that means something, metrics, traces. The
service adds its routers and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import Match

from egovkit.clock import Clock
from egovkit.edge import (
    METHODS,
    BodyLimits,
    Edge,
    HttpMetrics,
    language_of,
    problem_response,
    too_large_behind,
)
from egovkit.errors import EgovError, FieldError
from egovkit.ids import Ids, SystemIds
from egovkit.log import get_logger
from egovkit.openapi import Documented, Papers
from egovkit.problems import Problems

__all__ = ["MAX_BODY", "Check", "Lifespan", "PathCheck", "create_service", "language_of", "problem_response"]

Check = Callable[[], Awaitable[str | None]]  # None = fine, else what is being waited for
PathCheck = Callable[[], Awaitable[Mapping[str, Any]]]
Detail = Callable[[], Any]  # JSON of one member of /health/ready
Metrics = Callable[[], Awaitable[bytes]]  # more of /metrics, in prometheus's text format
Lifespan = Callable[[FastAPI], Any]  # an async context manager over the app

MAX_BODY = 1024 * 1024  # JSON of any call of ours fits many times over; attachments have their own limits
CHECK_SECONDS = 3.0  # a check that hangs is a check that fails
PATH_CACHE_SECONDS = 5.0  # /health/path sends a real message: not one per curious caller
MAX_ERRORS = 50

_log = get_logger("egovkit.service")


def create_service(
    name: str,
    *,
    problems: Problems,
    clock: Clock,
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
    path_check: PathCheck | None = None,
    details: Mapping[str, Detail] | None = None,
    max_body: int = MAX_BODY,
    body_limits: Sequence[tuple[str, int]] = (),
    ids: Ids | None = None,
    title: str | None = None,
    more_metrics: Metrics | None = None,
    papers: Papers | None = None,
) -> Documented:
    """The application of service `name`.

    `checks` decide /health/ready; own dependencies only (a neighbour's illness must not spread). `details` are
    shown there and decide nothing. `body_limits` are
    (regular expression over the whole path, bytes) for routes that take more or less than `max_body`. `papers`: where
    texts and examples of its OpenAPI document are. `app.state.problems` and `app.state.metrics` (its `.registry`) are
    there for the service's own use.
    """
    app = _application(title or name, lifespan)
    app.code, app.papers, app.limits = name, papers, BodyLimits(max_body, tuple(body_limits))
    metrics = HttpMetrics(name)
    app.state.problems = problems
    app.state.metrics = metrics
    app.add_middleware(
        Edge,
        problems=problems,
        clock=clock,
        ids=ids or SystemIds(clock),
        limits=app.limits,
        metrics=metrics,
    )
    _add_problem_handlers(app, problems)
    _add_health(app, name, checks or {}, details or {}, _CachedPath(path_check, clock))

    _add_metrics(app, metrics, more_metrics)
    return app


def _application(title: str, lifespan: Lifespan | None) -> Documented:
    return Documented(
        title=title,
        lifespan=lifespan,
        docs_url=None,  # the pages load scripts from elsewhere; the document itself is at /openapi.json
        redoc_url=None,
    )


def _add_problem_handlers(app: FastAPI, problems: Problems) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, EgovError)
        return problem_response(problems, error, request)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = problem_response(problems, _of_http_error(error), request)
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(_allowed(request))
        return response

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(problems, _of_validation(error), request)

    app.add_exception_handler(EgovError, refused)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)


def _allowed(request: Request) -> list[str]:
    """The methods that a path takes, of all routes it fits: the framework names those of the first alone."""
    routes = request.app.routes
    return [
        method
        for method in sorted(METHODS)
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _of_http_error(error: HTTPException) -> EgovError:
    """Starlette's and FastAPI's own refusals in our words. Services raise EgovError, never HTTPException."""
    if (too_large := too_large_behind(error)) is not None:
        return too_large
    by_status = {404: "request.not_found", 405: "request.method_not_allowed", 400: "request.malformed"}
    code = by_status.get(error.status_code)
    if code is None:
        _log.error("http.foreign_status", status=error.status_code)
        return EgovError("service.internal")
    return EgovError(code, reason="body") if error.status_code == 400 else EgovError(code)


def _of_validation(error: RequestValidationError) -> EgovError:
    found = list(error.errors())
    for item in found:
        if item["type"] == "json_invalid":
            position = item["loc"][-1]
            return EgovError("request.malformed_json", position=position)
    return EgovError("request.invalid", errors=_field_errors(found, error.body)[:MAX_ERRORS])


WRONG_TYPE = "wrong_type"
# pydantic's error type -> the short reason with a text in errors.yaml (field.<reason>).
REASONS: Mapping[str, str] = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "string_too_long": "too_long",
    "bytes_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "too_short",
    "bytes_too_short": "too_short",
    "too_short": "too_short",
    "string_pattern_mismatch": "wrong_form",
    "string_unicode": "wrong_form",
    "enum": "not_allowed",
    "literal_error": "not_allowed",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
}


def _field_errors(found: Sequence[Mapping[str, Any]], body: Any) -> list[FieldError]:
    """One for each field. Where a value may be of several types pydantic tells of each what it is not; that it is the
    right one with a fault in it says more."""
    by_name: dict[str, FieldError] = {}
    for item in found:
        one = _field_error(item, body)
        known = by_name.get(one.field)
        if known is None or known.code == WRONG_TYPE:
            by_name[one.field] = one
    return list(by_name.values())


def _name(item: Mapping[str, Any], body: Any) -> str:
    """The path as the sender wrote it: the names that pydantic gives to the types of a union are left out."""
    where, *path = item["loc"]
    if where != "body":
        return ".".join(map(str, item["loc"]))
    names: list[str] = []
    for n, part in enumerate(path, 1):
        inside = part in body if isinstance(body, dict) else isinstance(body, list) and isinstance(part, int)
        if inside:
            body = body[part]
        if inside or (item["type"] == "missing" and n == len(path)):
            names.append(str(part))
    return ".".join(names)


def _field_error(item: Mapping[str, Any], body: Any) -> FieldError:
    """Names the field; never quotes its value, which is personal data as often as not."""
    name = _name(item, body)
    kind = str(item["type"])
    reason = REASONS.get(kind) or (WRONG_TYPE if kind.endswith(("_type", "_parsing")) else "invalid")
    context = item.get("ctx") or {}
    limits = {key: context[key] for key in ("max_length", "min_length", "ge", "gt", "le", "lt") if key in context}
    limit = next(iter(limits.values()), "…")
    return FieldError(name[:200], reason, str(item.get("msg", ""))[:200], {"limit": limit})


def _add_metrics(app: FastAPI, metrics: HttpMetrics, more: Metrics | None) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def metrics_text() -> Response:
        text = generate_latest(metrics.registry) + (b"" if more is None else await more())
        return Response(text, media_type=CONTENT_TYPE_LATEST)


def _add_health(
    app: FastAPI, name: str, checks: Mapping[str, Check], details: Mapping[str, Detail], path: _CachedPath
) -> None:
    @app.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"service": name, "status": "ok"}

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> Response:
        answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
        waiting = {check: answer for check, answer in zip(checks, answers, strict=True) if answer is not None}
        body = {
            "service": name,
            "status": "waiting" if waiting else "ok",
            "checks": {check: waiting.get(check, "ok") for check in checks},
            **{detail: tell() for detail, tell in details.items()},
        }
        return JSONResponse(body, 503 if waiting else 200)

    @app.get("/health/path", include_in_schema=False)
    async def path_health() -> Response:
        answer = await path.ask()
        return JSONResponse({"service": name, **answer}, 200 if answer["status"] in ("ok", "unmeasured") else 503)


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception as error:
        return f"{type(error).__name__}"  # the message may hold addresses and passwords


class _CachedPath:
    """The last measurement of the way through the bus, at most PATH_CACHE_SECONDS old."""

    def __init__(self, check: PathCheck | None, clock: Clock) -> None:
        self._check = check
        self._clock = clock
        self._at: float | None = None
        self._answer: dict[str, Any] = {"status": "unmeasured"}
        self._lock = asyncio.Lock()

    async def ask(self) -> dict[str, Any]:
        if self._check is None:
            return self._answer
        async with self._lock:
            now = self._clock.monotonic()
            if self._at is None or now - self._at > PATH_CACHE_SECONDS:
                self._at = now
                self._answer = await self._measure(self._check)
            return {**self._answer, "age_s": round(now - self._at, 1)}

    async def _measure(self, check: PathCheck) -> dict[str, Any]:
        try:
            return {"status": "ok", **await check()}
        except Exception as error:
            _log.warning("health.path_failed", error=str(error))
            return {"status": "broken", "error": error.code if isinstance(error, EgovError) else type(error).__name__}

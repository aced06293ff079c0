"""Logs: one JSON object a line, the same fields everywhere, personal data and secrets masked.

Masking is the last step before rendering, so that nothing written by us or by a library under us goes around it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

import orjson
import structlog

from egovkit.clock import Clock

# Values of these fields are never shown, whatever is in them. Compared without case, "_" and "-".
SECRET_FIELDS = frozenset(
    [
        *("password", "passwd", "passphrase", "adminpassword", "keystorepassword", "pin", "secret", "privatekey"),
        *("token", "accesstoken", "refreshtoken", "idtoken", "admintoken", "apikey", "cookie", "setcookie"),
        *("authorization", "proxyauthorization", "signature", "egovsignature"),
    ]
)
PERSONAL_FIELDS = frozenset(
    [
        *("surname", "patronymic", "firstname", "lastname", "middlename", "fullname", "givenname", "fio"),
        *("applicantname", "personname", "birthdate", "phone", "email", "address"),
    ]
)
HIDDEN = "***"

# Ids and hashes are matched first so that twelve digits inside them are left alone; what is left is an ИИН or a БИН.
_IDENTIFIER = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32,}\b)"
    r"|(?<!\d)(?P<iin>\d{12})(?!\d)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_JWS = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]+:)[^@/\s]+@")
_MAX_DEPTH = 8

_traceparent: ContextVar[str | None] = ContextVar("egov_traceparent", default=None)


def current_traceparent() -> str | None:
    """The W3C traceparent of the request or delivery being worked on."""
    return _traceparent.get()


@contextmanager
def bound_trace(traceparent: str | None) -> Iterator[None]:
    """Makes this the trace of the block: outgoing envelopes and log lines carry it."""
    token = _traceparent.set(traceparent)
    fields = {} if traceparent is None else {"trace": traceparent.split("-")[1]}
    try:
        with structlog.contextvars.bound_contextvars(**fields):
            yield
    finally:
        _traceparent.reset(token)


def mask_text(text: str) -> str:
    """The text with ИИН and БИН (9901*****123 style: first four, last two digits), tokens and passwords masked."""
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _JWS.sub(HIDDEN, text)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    return _IDENTIFIER.sub(_mask_identifier, text)


def _mask_identifier(match: re.Match[str]) -> str:
    iin = match["iin"]
    return match[0] if iin is None else f"{iin[:4]}******{iin[-2:]}"


def mask(value: Any, depth: int = 0) -> Any:
    """The value with everything personal or secret masked, at any depth."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        return mask_text(str(value)) if 10**11 <= abs(value) < 10**12 else value
    if depth > _MAX_DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(key): _mask_field(str(key), item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask(item, depth + 1) for item in value]
    return mask_text(str(value))


def _mask_field(name: str, value: Any, depth: int) -> Any:
    plain = name.lower().replace("_", "").replace("-", "")
    if plain in SECRET_FIELDS or plain in PERSONAL_FIELDS:
        return HIDDEN if value is not None else None
    return mask(value, depth + 1)


def masking(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """structlog processor: the last before rendering."""
    return cast("dict[str, Any]", mask(event))


class _ClockStamp:
    """Stamps the time of the deployment's clock, so that lines of a moved clock read in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return event


def configure_logging(clock: Clock, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Sends our log lines and those of the libraries, as JSON, to `stream` (stderr). Once per process."""
    shared = _configure_structlog(_ClockStamp(clock))
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, masking, _render],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiosqlite", "asyncio", "httpx", "httpcore", "aio_pika", "aiormq", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _configure_structlog(*extra: Any) -> list[Any]:
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        *extra,
        structlog.processors.format_exc_info,  # plain: pretty tracebacks print the variables too, secrets and all
    ]
    structlog.configure(
        processors=[*shared, masking, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return shared


def _render(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, default=str).decode()


def get_logger(name: str, **fields: Any) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry `logger=name` and `fields`.

    Before `configure_logging` (in tests, in tools) lines go to the standard library's logging, never to structlog's
    own default, which prints to stdout with the local variables of every frame.
    """
    if not structlog.is_configured():
        _configure_structlog()
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name, **fields))

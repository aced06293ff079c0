"""`serve`: a service's application on its port, by https where the settings give it a certificate."""

from __future__ import annotations

import json
import ssl
from typing import Any

import uvicorn
from fastapi import FastAPI

from egovkit.errors import EgovError
from egovkit.problems import Problems
from egovkit.settings import ServiceSettings

__all__ = ["serve", "tls_of"]


def serve(app: FastAPI, settings: ServiceSettings, **options: Any) -> None:
    """Until SIGTERM. `options` are uvicorn's. The certificate is read once, at the start."""
    context = tls_of(settings, app.state.problems)
    if context is not None:
        options["ssl_context_factory"] = lambda *_: context
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

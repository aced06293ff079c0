"""The way into a sandbox: what it is, for anybody; its parts, for the holder of the deployment's token.

GET /v1/sandbox    open: a tester's tool asks it first, and says at once that it came to the wrong place
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from egovkit.contracts import contracts_dir, contracts_version
from egovkit.declared import bearer, guards
from egovkit.errors import EgovError
from egovkit.routes import Routes
from egovkit.sandbox.clock import Control, clock_router
from egovkit.sandbox.exchanges import exchanges_router
from egovkit.sandbox.faults_api import faults_router
from egovkit.settings import ServiceSettings, read_secret

PATH = "/v1/sandbox"
HOLDER = bearer(
    "sandbox",
    "opaque",
    en="The sandbox's token: a secret of the deployment.",
    ru="Токен песочницы: секрет развёртывания.",
    kk="Құмсалғыштың токені: орналастырудың құпиясы.",
)


class SandboxView(BaseModel):
    service: str
    instance: str
    contracts: str = Field(description="the version of the contracts it speaks")


def sandbox_router(control: Control) -> Routes:
    """All that a sandbox offers at this service."""
    settings = control.settings
    guards = [Depends(token_guard(settings))]
    router = Routes()

    @router.get(PATH, tags=["sandbox"])
    async def about() -> SandboxView:
        version = contracts_version(contracts_dir(settings.contracts))
        return SandboxView(service=settings.code, instance=settings.instance, contracts=version)

    for part in (
        clock_router(control, guards),
        faults_router(control.faults, guards),
        exchanges_router(control.exchanges, guards),
    ):
        router.routes.extend(part.routes)
    return router


def token_guard(settings: ServiceSettings) -> Callable[[Request], Awaitable[None]]:
    """FastAPI dependency that lets in who holds the sandbox's token; sandbox.refused"""

    @guards(HOLDER, "sandbox.refused")
    async def holder(request: Request) -> None:
        await _require_token(settings, request)

    return holder


async def _require_token(settings: ServiceSettings, request: Request) -> None:
    path = settings.sandbox_token_path
    known = await asyncio.to_thread(read_secret, path) if path.is_file() else ""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    if not known or not hmac.compare_digest(given, known.encode()):
        raise EgovError("sandbox.refused")

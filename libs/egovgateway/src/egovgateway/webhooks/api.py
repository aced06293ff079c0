"""The HTTP of webhooks: the same calls for a participant, for ШЭП's operators and for the testers of a sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from egovgateway.api import proves_member
from egovgateway.webhooks.addresses import MAX_URL, OF_A_URL
from egovgateway.webhooks.service import Acting, AttemptView, DeliveryView, Webhooks, WebhookView
from egovgateway.webhooks.store import ACTIVE, PAUSED, DeliveryState
from egovkit.declared import refuses
from egovkit.routes import Routes

Code = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
Id = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Running = Callable[[], Webhooks]
Who = Callable[..., Awaitable[Acting]]


class NewWebhook(BaseModel):
    """Where to call."""

    model_config = ConfigDict(strict=True, extra="forbid")
    url: str = Field(min_length=1, max_length=MAX_URL, examples=["https://partner.example/egov"])


class WebhookPage(BaseModel):
    """Every webhook of a gateway."""

    items: list[WebhookView]


class DeliveryPage(BaseModel):
    """Deliveries, newest first."""

    items: list[DeliveryView]
    next: str | None = Field(description="`cursor` of the next page")


def own_router(running: Running, owner: Callable[[Request], Awaitable[Acting]]) -> Routes:
    """`/v1/webhook`: a participant's own, at its own gateway."""

    @proves_member
    async def who(request: Request) -> Acting:
        return await owner(request)

    router = Routes(prefix="/v1/webhook", tags=["webhooks"])
    _add_calls(router, running, who, "webhook")
    return router


def participants_router(running: Running, guard: Callable[..., object], *, prefix: str, name: str, tag: str) -> Routes:
    """`{prefix}` lists all, `{prefix}/{code}` is one participant's; `guard` lets in who may act for others."""

    @refuses("participant.unknown")
    async def who(code: Code) -> Acting:
        return running().acting(code, "operator")

    router = Routes(dependencies=[Depends(guard)])

    @router.get(prefix, name=f"list_{name}s", tags=[tag])
    async def list_all() -> WebhookPage:
        """Every participant's webhook, with what waits for it."""
        return WebhookPage(items=await running().all())

    one = Routes(prefix=f"{prefix}/{{code}}", tags=[tag], dependencies=[Depends(guard)])
    _add_calls(one, running, who, name)
    router.routes.extend(one.routes)
    return router


def _add_calls(router: Routes, running: Running, who: Who, name: str) -> None:
    @router.put("", name=f"put_{name}")
    @refuses("webhook.not_by_http", "webhook.other_gateway", "webhook.unknown", *OF_A_URL)
    async def put(body: NewWebhook, acting: Acting = Depends(who)) -> WebhookView:
        """Set or replace: from now on what waits in the inbox is POSTed there, signed."""
        return await running().put(acting, body.url)

    @router.get("", name=f"get_{name}")
    @refuses("webhook.unknown")
    async def get(acting: Acting = Depends(who)) -> WebhookView:
        """Where it calls, whether it is paused, what waits."""
        return await running().show(acting)

    @router.delete("", name=f"delete_{name}", status_code=204)
    @refuses("webhook.unknown")
    async def remove(acting: Acting = Depends(who)) -> None:
        """Back to `GET /v1/inbox`, where everything that was not delivered waits."""
        await running().remove(acting)

    @router.post("/pause", name=f"pause_{name}")
    @refuses("webhook.unknown")
    async def pause(acting: Acting = Depends(who)) -> WebhookView:
        """Call no more until it is resumed."""
        return await running().set_state(acting, PAUSED)

    @router.post("/resume", name=f"resume_{name}")
    @refuses("webhook.unknown")
    async def resume(acting: Acting = Depends(who)) -> WebhookView:
        """Call again: what waits at once, with all its attempts before it."""
        return await running().set_state(acting, ACTIVE)

    _add_history(router, running, who, name)


def _add_history(router: Routes, running: Running, who: Who, name: str) -> None:
    @router.post("/test", name=f"test_{name}")
    @refuses("webhook.unknown")
    async def test(acting: Acting = Depends(who)) -> AttemptView:
        """Call with a signed ping now, and tell what came of it."""
        return await running().test(acting)

    @router.get("/deliveries", name=f"get_{name}_deliveries")
    @refuses("webhook.unknown")
    async def deliveries(
        acting: Acting = Depends(who),
        state: DeliveryState | None = None,
        cursor: Annotated[
            str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next` of the page before")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> DeliveryPage:
        """What was and is to be delivered, newest first, with every attempt."""
        found, following = await running().deliveries(acting, state, cursor, limit)
        return DeliveryPage(items=found, next=following)

    @router.post("/deliveries/{delivery}/redeliver", name=f"redeliver_{name}_delivery", status_code=202)
    @refuses("webhook.unknown", "webhook.paused", "webhook.delivery_unknown", "webhook.delivery_under_way")
    async def redeliver(delivery: Id, acting: Acting = Depends(who)) -> DeliveryView:
        """Once more now, also what was delivered: the same bytes under the same `webhook-id`."""
        return await running().redeliver(acting, delivery)

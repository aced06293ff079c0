"""Webhooks as their owners and operators use them: one public function each, one transaction each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.domain import RETURNING
from egovgateway.pipeline import GatewayParts
from egovgateway.webhooks.courier import EVENT_HEADER, Courier, CourierParts
from egovgateway.webhooks.store import ACTIVE, PAUSED, DeliveryState
from egovkit import strictjson
from egovkit.errors import EgovError
from egovkit.journal import JournalEntry
from egovkit.membership import Member


class WebhookView(BaseModel):
    """A participant's webhook."""

    participant: str
    url: str
    state: str = Field(description="active, or paused")
    reason: str | None = Field(description="why it is paused: asked, or gone (its receiver answered 410)")
    updated_at: datetime
    updated_by: str
    waiting: int = Field(description="deliveries to be attempted, for the first time or again")
    exhausted: int = Field(description="deliveries whose attempts all failed")
    oldest_waiting_since: datetime | None


class AttemptView(BaseModel):
    """One call. Without status and error its process did not live to see the answer."""

    at: datetime
    status: int | None = Field(description="of the answer, if there was one")
    ms: int | None
    error: str | None = Field(description="why there was no answer")


class DeliveryView(BaseModel):
    """One envelope on its way to the webhook."""

    id: str = Field(description="webhook-id of every attempt")
    envelope: str
    source: str
    type: str
    case: str
    caseseq: int
    state: DeliveryState
    waiting_since: datetime
    next_attempt_at: datetime | None
    settled_at: datetime | None
    attempts: list[AttemptView]


@dataclass(frozen=True, slots=True)
class Acting:
    """For whose webhook, and who acts."""

    member: Member
    by: str


class Webhooks:
    """The webhooks of one gateway's participants."""

    def __init__(self, gateway: GatewayParts, parts: CourierParts, courier: Courier) -> None:
        self._g = gateway
        self._p = parts
        self._store = parts.store
        self.courier = courier

    def acting(self, code: str, by: str) -> Acting:
        """For an operator; participant.unknown."""
        member = self._p.membership.members.get(code)
        if member is None:
            raise EgovError("participant.unknown", participant=code)
        return Acting(member, by)

    async def put(self, acting: Acting, url: str) -> WebhookView:
        """Set or replace; webhook.not_by_http, webhook.other_gateway, webhook.url_*"""
        member = acting.member
        if member.delivery != "http":
            raise EgovError("webhook.not_by_http", participant=member.code)
        if self._g.queue_for(member) is not None:
            raise EgovError("webhook.other_gateway", participant=member.code, gateway=self._g.code)
        await self._p.caller.check(url)
        now = self._g.clock.now()
        async with self._g.db.begin() as conn:
            values = {"member": member.code, "url": url, "updated_at": now, "updated_by": acting.by}
            await self._store.put_hook(conn, {**values, "state": ACTIVE, "reason": None})
            await self._store.at_once(conn, member.code, now)
            # Whoever keeps the journal has no business with what else stands in the URL.
            await self._journal(conn, acting, "set", host=urlsplit(url).hostname)
        return await self.show(acting)

    async def show(self, acting: Acting) -> WebhookView:
        """webhook.unknown"""
        async with self._g.db.read() as conn:
            row = await self._known(conn, acting)
            return _hook(row, (await self._store.counts(conn)).get(acting.member.code, {}))

    async def all(self) -> list[WebhookView]:
        """Every participant's, for operators."""
        async with self._g.db.read() as conn:
            counts = await self._store.counts(conn)
            return [_hook(row, counts.get(row["member"], {})) for row in await self._store.hooks(conn)]

    async def remove(self, acting: Acting) -> None:
        """What waits stays in the inbox, and the history where it is; webhook.unknown"""
        async with self._g.db.begin() as conn:
            if not await self._store.drop_hook(conn, acting.member.code):
                raise EgovError("webhook.unknown", participant=acting.member.code)
            await self._journal(conn, acting, "removed")

    async def set_state(self, acting: Acting, state: str) -> WebhookView:
        """Pause, or go on with what waits at once; webhook.unknown"""
        now, code = self._g.clock.now(), acting.member.code
        async with self._g.db.begin() as conn:
            await self._known(conn, acting)
            values = {"state": state, "reason": "asked" if state == PAUSED else None}
            await self._store.change_hook(conn, code, **values, updated_at=now, updated_by=acting.by)
            if state == ACTIVE:
                await self._store.at_once(conn, code, now)
            await self._journal(conn, acting, state)
        return await self.show(acting)

    async def test(self, acting: Acting) -> AttemptView:
        """Call with a signed ping now, also while it is paused; webhook.unknown"""
        async with self._g.db.read() as conn:
            url = (await self._known(conn, acting))["url"]
        at, ping = self._g.clock.now(), self._p.ids.new()
        body = strictjson.dumps({"event": "ping", "id": ping, "gateway": self._g.code})
        headers = {"content-type": "application/json", EVENT_HEADER: "ping"}
        outcome = await self._p.caller.call(url, body, ping, headers)
        return AttemptView(at=at, status=outcome.status, ms=outcome.ms, error=outcome.error)

    async def deliveries(
        self, acting: Acting, state: DeliveryState | None, cursor: str | None, limit: int
    ) -> tuple[list[DeliveryView], str | None]:
        """Newest first, and the cursor of the next page; webhook.unknown where there never was one"""
        async with self._g.db.read() as conn:
            rows = await self._store.deliveries(conn, acting.member.code, state, cursor, limit + 1)
            if not rows and cursor is None:
                await self._known(conn, acting)
            attempts = await self._store.attempts(conn, [row["id"] for row in rows[:limit]])
        found = [_delivery(row, attempts) for row in rows[:limit]]
        return found, found[-1].id if len(rows) > limit else None

    async def redeliver(self, acting: Acting, delivery: str) -> DeliveryView:
        """Once more now, whatever became of it; webhook.unknown, .paused, .delivery_unknown, .delivery_under_way"""
        now, code = self._g.clock.now(), acting.member.code
        async with self._g.db.begin() as conn:
            if (await self._known(conn, acting))["state"] != ACTIVE:
                raise EgovError("webhook.paused", participant=code)
            row = await self._store.delivery(conn, code, delivery, lock=True)
            if row is None:
                raise EgovError("webhook.delivery_unknown", delivery=delivery)
            if row["claimed_until"] is not None and row["claimed_until"] > now:
                raise EgovError("webhook.delivery_under_way", delivery=delivery)
            await self._store.again(conn, delivery, now)
            await self._journal(conn, acting, "redelivered", delivery=delivery, envelope=row["envelope_id"])
        async with self._g.db.read() as conn:
            row = await self._store.delivery(conn, code, delivery, lock=False)
            assert row is not None  # history is forgotten after days
            return _delivery(row, await self._store.attempts(conn, [delivery]))

    async def fetched(self, conn: AsyncConnection, member: str, ids: list[str]) -> None:
        """In the transaction of an acknowledgement at the inbox: there is nothing to call for any more."""
        await self._store.fetched(conn, member, ids, self._g.clock.now())

    async def _known(self, conn: AsyncConnection, acting: Acting) -> RowMapping:
        row = await self._store.hook(conn, acting.member.code)
        if row is None:
            raise EgovError("webhook.unknown", participant=acting.member.code)
        return row

    async def _journal(self, conn: AsyncConnection, acting: Acting, what: str, **facts: Any) -> None:
        body = {"action": f"webhook.{what}", "participant": acting.member.code, "by": acting.by, "facts": facts}
        await self._g.journal.append(conn, [JournalEntry("admin", self._g.clock.now(), None, body)])


def _hook(row: RowMapping, counts: dict[str, tuple[int, datetime]]) -> WebhookView:
    waiting = counts.get(DeliveryState.WAITING, (0, None))
    return WebhookView(
        participant=row["member"],
        **{name: row[name] for name in ("url", "state", "reason", "updated_at", "updated_by")},
        waiting=waiting[0],
        exhausted=counts.get(DeliveryState.EXHAUSTED, (0, None))[0],
        oldest_waiting_since=waiting[1],
    )


def _delivery(row: RowMapping, attempts: Any) -> DeliveryView:
    mine = [one for one in attempts if one["delivery_id"] == row["id"]]
    waiting = row["state"] == DeliveryState.WAITING
    return DeliveryView(
        **{name: row[name] for name in ("id", "type", "caseseq", "state", "waiting_since", "settled_at")},
        envelope=row["envelope_id"],
        source=row["source"].removesuffix(RETURNING),
        case=row["case_id"],
        next_attempt_at=(row["claimed_until"] or row["next_at"]) if waiting else None,
        attempts=[AttemptView(**{name: one[name] for name in AttemptView.model_fields}) for one in mine],
    )

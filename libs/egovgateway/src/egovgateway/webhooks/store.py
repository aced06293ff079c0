"""Every query of webhooks. Functions take the connection of the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import ColumnElement, RowMapping, Select, and_, delete, exists, func, or_, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.domain import EnvelopeState
from egovgateway.sealing import wire_of
from egovgateway.tables import GatewayTables, WebhookTables
from egovkit.db import insert_ignore, upsert
from egovkit.envelope import WireEnvelope
from egovkit.errors import EgovError
from egovkit.journal_bodies import Bodies

LOG = structlog.get_logger("egovgateway.webhooks")
ACTIVE, PAUSED = "active", "paused"


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"  # to be attempted, for the first time or again
    DELIVERED = "delivered"  # the receiver answered 2xx
    FETCHED = "fetched"  # the participant acknowledged it at its inbox
    EXHAUSTED = "exhausted"  # every attempt failed: it waits for an operator, or to be fetched


OVER = (DeliveryState.DELIVERED, DeliveryState.FETCHED)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is this process's for the time of one attempt."""

    id: str
    member: str
    url: str
    envelope_id: str
    wire: WireEnvelope
    number: int  # of this attempt, of all
    tries: int  # of this round


class WebhookStore:
    """Reads and writes beside the rows of envelopes, whose state says what still waits in an inbox."""

    def __init__(self, gateway: GatewayTables, tables: WebhookTables, bodies: Bodies) -> None:
        self._envelopes, self._bodies = gateway.envelopes, bodies
        self._hooks, self._deliveries, self._attempts = tables.hooks, tables.deliveries, tables.attempts

    # --- whom to call

    async def hook(self, conn: AsyncConnection, member: str) -> RowMapping | None:
        query = select(self._hooks).where(self._hooks.c.member == member)
        return (await conn.execute(query)).mappings().one_or_none()

    async def hooks(self, conn: AsyncConnection) -> Sequence[RowMapping]:
        """All of them, by participant."""
        return (await conn.execute(select(self._hooks).order_by(self._hooks.c.member))).mappings().all()

    async def active(self, conn: AsyncConnection) -> list[str]:
        """Participants whose webhook is not paused."""
        query = select(self._hooks.c.member).where(self._hooks.c.state == ACTIVE)
        return list((await conn.execute(query)).scalars())

    async def put_hook(self, conn: AsyncConnection, row: Mapping[str, Any]) -> None:
        into = upsert(self._hooks, conn.dialect.name).values(row)
        changed = {name: into.excluded[name] for name in row if name != "member"}
        await conn.execute(into.on_conflict_do_update(index_elements=[self._hooks.c.member], set_=changed))

    async def change_hook(self, conn: AsyncConnection, member: str, **values: Any) -> None:
        await conn.execute(update(self._hooks).where(self._hooks.c.member == member).values(**values))

    async def gone(self, conn: AsyncConnection, claim: Claim, now: datetime) -> None:
        """Its receiver says that there is nobody any more: pause, unless the URL is another one by now."""
        h = self._hooks.c
        same = and_(h.member == claim.member, h.url == claim.url, h.state == ACTIVE)
        values = {"state": PAUSED, "reason": "gone", "updated_at": now, "updated_by": "receiver"}
        await conn.execute(update(self._hooks).where(same).values(values))

    async def drop_hook(self, conn: AsyncConnection, member: str) -> bool:
        return (await conn.execute(delete(self._hooks).where(self._hooks.c.member == member))).rowcount > 0

    # --- what to deliver

    async def new(self, conn: AsyncConnection, members: Collection[str], limit: int) -> Sequence[RowMapping]:
        """What waits in these inboxes without a delivery, in the order of the inbox."""
        e, d = self._envelopes.c, self._deliveries.c
        known = exists().where(d.source == e.source, d.envelope_id == e.id)
        query = (
            select(e.source, e.id, e.type, e.case_id, e.caseseq, e.recipient, e.settled_at)
            .where(e.recipient.in_(members), e.state == EnvelopeState.WAITING, ~known)
            .order_by(e.settled_at, e.case_id, e.caseseq)
            .limit(limit)
        )
        return (await conn.execute(query)).mappings().all()

    async def enrol(self, conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """New deliveries. Another process may have been faster with any of them."""
        if rows:
            await conn.execute(insert_ignore(self._deliveries, rows, conn.dialect.name))

    async def due(self, conn: AsyncConnection, members: Collection[str], now: datetime) -> list[str]:
        """Which of these participants have something that may be attempted now."""
        d = self._deliveries.c
        query = select(d.member).where(d.member.in_(members), self._ready(now)).distinct()
        return list((await conn.execute(query)).scalars())

    async def claim(self, conn: AsyncConnection, member: str, now: datetime, until: datetime) -> Claim | None:
        """The oldest delivery that may be attempted: the caller's alone until `until`. Its attempt is on record. None
        as well when its envelope does not open: then it is given up."""
        d, e, h = self._deliveries.c, self._envelopes.c, self._hooks.c
        query = (
            select(self._deliveries, h.url, e.sha256, e.raw, e.signature, e.receipts)
            .join(self._envelopes, and_(e.source == d.source, e.id == d.envelope_id))
            .join(self._hooks, h.member == d.member)
            .where(d.member == member, h.state == ACTIVE, self._ready(now))
            .order_by(d.next_at, d.waiting_since, d.caseseq, d.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=self._deliveries)
        )
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        try:
            wire = wire_of({**row, "id": row["envelope_id"]}, self._bodies)
        except EgovError as error:  # spoiled where it lies: no attempt mends it, and others wait behind it
            LOG.error(
                "an envelope at rest does not open", source=row["source"], id=row["envelope_id"], reason=error.code
            )
            await self._change(conn, row["id"], state=DeliveryState.EXHAUSTED, settled_at=now)
            return None
        number = row["attempts"] + 1
        await self._change(conn, row["id"], attempts=number, claimed_until=until)
        await conn.execute(self._attempts.insert().values(delivery_id=row["id"], number=number, at=now))
        return Claim(row["id"], member, row["url"], row["envelope_id"], wire, number, number - row["round_from"])

    async def record(
        self, conn: AsyncConnection, claim: Claim, *, status: int | None, ms: int, error: str | None
    ) -> None:
        """What came of an attempt."""
        a = self._attempts.c
        mine = and_(a.delivery_id == claim.id, a.number == claim.number)
        await conn.execute(update(self._attempts).where(mine).values(status=status, ms=ms, error=error))

    async def settle(self, conn: AsyncConnection, claim: Claim, **values: Any) -> bool:
        """Give a claimed delivery back. False when it is no longer the caller's, or was fetched meanwhile."""
        d = self._deliveries.c
        mine = and_(d.id == claim.id, d.attempts == claim.number, d.state == DeliveryState.WAITING)
        changed = update(self._deliveries).where(mine).values(claimed_until=None, **values)
        return (await conn.execute(changed)).rowcount > 0

    async def fetched(self, conn: AsyncConnection, member: str, ids: Sequence[str], now: datetime) -> None:
        """The participant acknowledged these envelopes at its inbox."""
        d = self._deliveries.c
        open_ = d.state.in_((DeliveryState.WAITING, DeliveryState.EXHAUSTED))
        values = {"state": DeliveryState.FETCHED, "settled_at": now, "claimed_until": None}
        which = and_(d.member == member, d.envelope_id.in_(ids), open_)
        await conn.execute(update(self._deliveries).where(which).values(values))

    async def at_once(self, conn: AsyncConnection, member: str, now: datetime) -> None:
        """A new URL, or the old one again: what waits is attempted now, with all its attempts before it."""
        d = self._deliveries.c
        waiting = and_(d.member == member, d.state == DeliveryState.WAITING)
        await conn.execute(update(self._deliveries).where(waiting).values(next_at=now, round_from=d.attempts))

    async def again(self, conn: AsyncConnection, delivery: str, now: datetime) -> None:
        """Once more by hand, with all its attempts before it."""
        d = self._deliveries.c
        values = {"state": DeliveryState.WAITING, "next_at": now, "round_from": d.attempts, "settled_at": None}
        await self._change(conn, delivery, **values, manual=or_(d.manual, d.state != DeliveryState.WAITING))

    async def forget(self, conn: AsyncConnection, before: datetime) -> int:
        """Deliveries that came to their end before; how many."""
        d, a = self._deliveries.c, self._attempts.c
        old = select(d.id).where(d.state.in_(OVER), d.settled_at < before)
        await conn.execute(delete(self._attempts).where(a.delivery_id.in_(old)))
        return (await conn.execute(delete(self._deliveries).where(d.id.in_(old)))).rowcount

    # --- the history

    async def delivery(self, conn: AsyncConnection, member: str, delivery: str, *, lock: bool) -> RowMapping | None:
        d = self._deliveries.c
        query = select(self._deliveries).where(d.member == member, d.id == delivery)
        return (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()

    async def deliveries(
        self, conn: AsyncConnection, member: str, state: str | None, cursor: str | None, limit: int
    ) -> Sequence[RowMapping]:
        """Newest first, older than `cursor`."""
        d = self._deliveries.c
        query = select(self._deliveries).where(d.member == member).order_by(d.id.desc()).limit(limit)
        if state is not None:
            query = query.where(d.state == state)
        if cursor is not None:
            query = query.where(d.id < cursor)
        return (await conn.execute(query)).mappings().all()

    async def attempts(self, conn: AsyncConnection, ids: Collection[str]) -> Sequence[RowMapping]:
        a = self._attempts.c
        query = select(self._attempts).where(a.delivery_id.in_(ids)).order_by(a.delivery_id, a.number)
        return (await conn.execute(query)).mappings().all()

    async def counts(self, conn: AsyncConnection) -> dict[str, dict[str, tuple[int, datetime]]]:
        """Per participant and state: how many, and since when the oldest waits. Only of what is still open."""
        d = self._deliveries.c
        open_ = d.state.in_((DeliveryState.WAITING, DeliveryState.EXHAUSTED))
        query = select(d.member, d.state, func.count(), func.min(d.waiting_since)).where(open_)
        found: dict[str, dict[str, tuple[int, datetime]]] = {}
        for member, state, count, oldest in await conn.execute(query.group_by(d.member, d.state)):
            found.setdefault(member, {})[state] = (count, oldest)
        return found

    async def next_moments(
        self, conn: AsyncConnection, members: Collection[str], now: datetime, few: int
    ) -> tuple[datetime | None, datetime | None]:
        """When a delivery is tried again: of those in the first `few` attempts of their round, and of the others."""
        d = self._deliveries.c
        at = func.coalesce(d.claimed_until, d.next_at)
        waiting = and_(d.member.in_(members), d.state == DeliveryState.WAITING, at > now)
        early = and_(d.attempts - d.round_from <= few, d.claimed_until.is_(None))

        def first(which: ColumnElement[bool]) -> Select[Any]:
            return select(func.min(at)).where(waiting, which)

        return (await conn.execute(first(early))).scalar_one(), (await conn.execute(first(~early))).scalar_one()

    async def _change(self, conn: AsyncConnection, delivery: str, **values: Any) -> None:
        await conn.execute(update(self._deliveries).where(self._deliveries.c.id == delivery).values(**values))

    def _ready(self, now: datetime) -> ColumnElement[bool]:
        """Due, in nobody's hands, and no earlier delivery of its case waits; by hand comes beside that order."""
        d, before = self._deliveries.c, self._deliveries.alias("before")
        b = before.c
        earlier = tuple_(b.waiting_since, b.caseseq, b.id) < tuple_(d.waiting_since, d.caseseq, d.id)
        same_case = and_(b.case_id == d.case_id, b.member == d.member)
        held_up = exists(
            select(true()).select_from(before).where(same_case, earlier, b.state == DeliveryState.WAITING, ~b.manual)
        )
        free = or_(d.claimed_until.is_(None), d.claimed_until <= now)
        return and_(d.state == DeliveryState.WAITING, d.next_at <= now, free, or_(d.manual, ~held_up))

"""The courier: takes what waits in inboxes to the webhooks of their owners, until they have answered for it.

A worker per participant (more while it is slow) claims one delivery, POSTs it, and writes down what came of it. The
claim is a row's own until its lease ends, so that no two processes call with the same delivery at the same time; a
process that dies leaves an attempt without an outcome, and the next one begins when the lease has ended.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge

from egovgateway.pipeline import GatewayParts
from egovgateway.webhooks.addresses import Addresses
from egovgateway.webhooks.store import Claim, DeliveryState, WebhookStore
from egovkit.deadlines import DeadlinePace
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.log import get_logger
from egovkit.membership import Member, Membership
from egovkit.sandbox.clock import STOPS_FOR_ATTEMPTS, Control, Moment
from egovkit.signatures.webhook import sign_webhook

TIMEOUT_S = 10.0  # of a whole attempt: a receiver stores an envelope and answers, its work comes after
LEASE = timedelta(seconds=30)  # beyond any attempt
# 16 attempts take about five hours: an outage of a morning passes unnoticed, and a URL that never works does not go on.
MAX_ATTEMPTS = 16
PACE = DeadlinePace(first_delay=5.0, max_delay=3600.0)
WORKERS, WORKERS_EACH = 20, 4  # calls at a time; of one participant, so that a slow one holds up nobody else
ENROL = 200
FORGET_EVERY = timedelta(hours=1)
EVENT_HEADER = "egov-event"
_log = get_logger("egovgateway.webhooks")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: an answer's status, or why there is none. `not_before`: the receiver's own wish."""

    status: int | None
    ms: int
    error: str | None = None
    not_before: datetime | None = None

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def wished(retry_after: str | None, now: datetime) -> datetime | None:
    """When the receiver wants to be called again (Retry-After: seconds or a date, RFC 9110, 10.2.3), within the hour
    that is our own longest pause; None for no wish, or one that can't be read."""
    if retry_after is None:
        return None
    try:
        if retry_after.isascii() and retry_after.isdigit():
            moment = now + timedelta(seconds=min(int(retry_after[:9]), PACE.max_delay))
        else:
            moment = parsedate_to_datetime(retry_after).replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(moment, now + timedelta(seconds=PACE.max_delay))


class Caller:
    """POSTs signed bytes to a URL. Redirects are not followed; of an answer status and Retry-After alone are read."""

    def __init__(
        self,
        parts: GatewayParts,
        addresses: Addresses,
        client: httpx.AsyncClient | None = None,
        authorities: Path | None = None,
    ) -> None:
        """`authorities`: PEM file of those to be trusted beside the public ones."""
        self._parts = parts
        self._addresses = addresses
        self._given = client
        self._authorities = authorities
        self._own: httpx.AsyncClient | None = None

    async def check(self, url: str) -> None:
        """webhook.url_*"""
        try:
            _ = httpx.URL(url).host  # decoded when asked for
        except (httpx.InvalidURL, ValueError):
            raise EgovError("webhook.url_form") from None
        await self._addresses.place(url)

    async def call(self, url: str, body: bytes, delivery: str, headers: dict[str, str]) -> Outcome:
        """Whatever goes wrong at the other end is an outcome."""
        clock = self._parts.clock
        started = clock.monotonic()
        status, error, wish = None, None, None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, wish = await self._post(url, body, {**headers, **self._signed(body, delivery)})
        except EgovError as refused:
            error = refused.code
        except Exception as failed:  # a partner's server, name or certificate: what it does is for the record
            error = "timeout" if isinstance(failed, TimeoutError | httpx.TimeoutException) else type(failed).__name__
        ms = round((clock.monotonic() - started) * 1000)
        return Outcome(status, ms, error, wished(wish, clock.now()))

    async def close(self) -> None:
        if self._own is not None:
            await self._own.aclose()

    def _signed(self, body: bytes, delivery: str) -> dict[str, str]:
        return sign_webhook(body, delivery, self._parts.clock.now(), self._parts.key)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        place = await self._addresses.place(url)
        target = httpx.URL(url).copy_with(host=place.address)
        extensions = {"sni_hostname": place.host} if place.scheme == "https" else {}
        headers = {**headers, "host": place.authority, "user-agent": f"egov-webhook/{self._parts.code}"}
        client = self._client()
        request = client.build_request("POST", target, content=body, headers=headers, extensions=extensions)
        answer = await client.send(request, stream=True, follow_redirects=False)
        await answer.aclose()
        return answer.status_code, answer.headers.get("retry-after")

    def _client(self) -> httpx.AsyncClient:
        """Made when the first webhook is called: reading the machine's authorities takes its time."""
        if self._given is not None:
            return self._given
        if self._own is None:
            context = partner_trust(self._authorities)
            self._own = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=context)
        return self._own


def partner_trust(authorities: Path | None) -> ssl.SSLContext:
    """Whom we believe to be a partner: the machine's public authorities, and those of the file. TLS 1.2 or later."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is not None:
        context.load_verify_locations(cafile=authorities)
    return context


class WebhookMetrics:
    """Attempts by their outcome, what waits, and how long the oldest has."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._service = service
        self._attempts = Counter(
            "egov_webhook_attempts", "Calls to webhooks by outcome", ["service", "outcome"], registry=registry
        )
        self._open = Gauge(
            "egov_webhook_deliveries", "Deliveries not taken yet, by state", ["service", "state"], registry=registry
        )
        self._oldest = Gauge(
            "egov_webhook_oldest_waiting_seconds", "How long the oldest one waits", ["service"], registry=registry
        )

    def attempted(self, outcome: Outcome) -> None:
        self._attempts.labels(self._service, "delivered" if outcome.is_good else "failed").inc()

    def refresh(self, counts: Sequence[Mapping[str, tuple[int, datetime]]], now: datetime) -> None:
        """Sets the gauges."""
        for state in (DeliveryState.WAITING, DeliveryState.EXHAUSTED):
            found = sum(by_state[state][0] for by_state in counts if state in by_state)
            self._open.labels(self._service, state.value).set(found)
        since = [by_state[DeliveryState.WAITING][1] for by_state in counts if DeliveryState.WAITING in by_state]
        age = (now - min(since)).total_seconds() if since else 0.0
        self._oldest.labels(self._service).set(age)


@dataclass(frozen=True, slots=True)
class CourierParts:
    """What a courier is made of, beside its gateway. `kept`: how long what was delivered stays in the history."""

    store: WebhookStore
    membership: Membership
    ids: Ids
    caller: Caller
    metrics: WebhookMetrics
    kept: timedelta


class Courier:
    """`round` starts the workers that are needed; it is called in every round of the gateway's relay."""

    def __init__(self, gateway: GatewayParts, parts: CourierParts) -> None:
        self._g = gateway
        self._p = parts
        self._workers: dict[str, set[asyncio.Task[None]]] = {}
        self._forgot_at: datetime | None = None

    def serves(self, member: Member | None) -> bool:
        """Whether a participant is called from here at all: not while it is suspended or takes part otherwise."""
        return member is not None and member.is_active and self._g.queue_for(member) is None

    async def round(self) -> None:
        """Take up what came into the inboxes, and see that everybody with something due has a worker."""
        await self._forget()
        members = await self._served()
        if not members:
            return
        now = self._g.clock.now()
        async with self._g.db.read() as conn:
            new = await self._p.store.new(conn, members, ENROL)
        if new:
            rows = [self._delivery(row, now) for row in new]
            async with self._g.db.begin() as conn:
                await self._p.store.enrol(conn, rows)
        async with self._g.db.read() as conn:
            due = await self._p.store.due(conn, members, now)
        for member in due:
            self._start(member)

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return any(self._workers.values())

    async def idle(self) -> None:
        """Until this process has nothing more to attempt now."""
        while tasks := [task for some in self._workers.values() for task in some]:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop; an attempt that is under way has no outcome, and is made again when its lease has ended."""
        tasks = [task for some in self._workers.values() for task in some]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._p.caller.close()

    async def refresh_metrics(self) -> None:
        """Before every answer of /metrics."""
        async with self._g.db.read() as conn:
            counts = await self._p.store.counts(conn)
        self._p.metrics.refresh(list(counts.values()), self._g.clock.now())

    async def _served(self) -> list[str]:
        async with self._g.db.read() as conn:
            active = await self._p.store.active(conn)
        return [code for code in active if self.serves(self._p.membership.members.get(code))]

    def _delivery(self, row: Mapping[Any, Any], now: datetime) -> dict[str, Any]:
        values = {name: row[name] for name in ("source", "type", "case_id", "caseseq")}
        return {
            **values,
            "id": self._p.ids.new(),
            "member": row["recipient"],
            "envelope_id": row["id"],
            "waiting_since": row["settled_at"],
            "state": DeliveryState.WAITING,
            "manual": False,
            "attempts": 0,
            "round_from": 0,
            "next_at": now,
        }

    def _start(self, member: str) -> None:
        mine = self._workers.setdefault(member, set())
        if len(mine) >= WORKERS_EACH or sum(map(len, self._workers.values())) >= WORKERS:
            return
        task = asyncio.create_task(self._work(member), name=f"webhook:{member}")
        mine.add(task)
        task.add_done_callback(mine.discard)

    async def _work(self, member: str) -> None:
        try:
            while self.serves(self._p.membership.members.get(member)):
                claim = await self._claim(member)
                if claim is None:
                    return
                if claim.tries > MAX_ATTEMPTS:  # its processes died over it
                    await self._settle(claim, Outcome(None, 0, "interrupted"))
                    continue
                headers = {**claim.wire.headers(), EVENT_HEADER: "envelope"}
                outcome = await self._p.caller.call(claim.url, claim.wire.raw, claim.id, headers)
                self._p.metrics.attempted(outcome)
                await self._settle(claim, outcome)
        except Exception as error:  # a database that is away; the next round begins anew
            _log.warning("webhooks.worker_failed", member=member, error=repr(error))

    async def _claim(self, member: str) -> Claim | None:
        now = self._g.clock.now()
        async with self._g.db.begin() as conn:
            return await self._p.store.claim(conn, member, now, now + LEASE)

    async def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """The attempt, the delivery and the inbox in one transaction."""
        store, now = self._p.store, self._g.clock.now()
        async with self._g.db.begin() as conn:
            await store.record(conn, claim, status=outcome.status, ms=outcome.ms, error=outcome.error)
            if outcome.is_good:
                await self._g.store.acknowledge(conn, claim.member, [claim.envelope_id], now)
                await store.settle(conn, claim, state=DeliveryState.DELIVERED, settled_at=now)
            elif claim.tries >= MAX_ATTEMPTS:
                await store.settle(conn, claim, state=DeliveryState.EXHAUSTED, settled_at=now)
            else:
                ours = now + PACE.delay(claim.id, claim.tries)
                await store.settle(conn, claim, next_at=max(ours, outcome.not_before or ours))
            if outcome.status == httpx.codes.GONE:
                await store.gone(conn, claim, now)
        if not outcome.is_good:
            facts = {"status": outcome.status, "error": outcome.error, "attempt": claim.tries}
            _log.info("webhooks.attempt_failed", member=claim.member, delivery=claim.id, **facts)

    async def _forget(self) -> None:
        now = self._g.clock.now()
        if self._forgot_at is not None and now - self._forgot_at < FORGET_EVERY:
            return
        self._forgot_at = now
        async with self._g.db.begin() as conn:
            await self._p.store.forget(conn, now - self._p.kept)

    def watch(self, control: Control) -> None:
        """What the sandbox's clock has to know: deliveries to be tried again, and those to be tried now."""

        async def moments() -> list[Moment]:
            members = await self._served()
            async with self._g.db.read() as conn:
                few, many = await self._p.store.next_moments(conn, members, self._g.clock.now(), STOPS_FOR_ATTEMPTS)
            found = [] if few is None else [Moment("webhook called again", few)]
            return found + ([] if many is None else [Moment("webhook called again", many, stops=False)])

        async def work() -> str | None:
            if self.busy:
                return "calls to webhooks"
            members, now = await self._served(), self._g.clock.now()
            async with self._g.db.read() as conn:
                ready = members and (
                    await self._p.store.due(conn, members, now) or await self._p.store.new(conn, members, 1)
                )
            return "calls to webhooks" if ready else None

        control.moments.append(moments)
        control.work.append(work)

"""The request log of a sandbox: every HTTP call and every message of the bus that this process serves, makes,
publishes or is given, kept in a bounded file of its home. Outside a sandbox there is none.

    GET    /v1/sandbox/exchanges         found ones, by their beginning, newest or oldest first
    GET    /v1/sandbox/exchanges/{id}    one with headers, bodies (base64) and the reason of a refusal
    DELETE /v1/sandbox/exchanges         empty it

What happens is put down at once and written by a thread in batches: a service waits for nothing of it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, params
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from egovkit.bus import Dead, Delivery, Outcome, Outgoing, PublishError
from egovkit.clock import Clock
from egovkit.contracts import contracts_dir, read_once
from egovkit.declared import refuses
from egovkit.errors import EgovError
from egovkit.ids import SystemIds
from egovkit.log import get_logger
from egovkit.problems import Problems
from egovkit.routes import Routes
from egovkit.sandbox.exchange_facts import BUS, NOTE, Seen, row_of
from egovkit.sandbox.exchange_reasons import Reason, reason_of
from egovkit.sandbox.exchange_store import ExchangeStore, Row, Wish
from egovkit.settings import ServiceSettings

PATH = "/v1/sandbox/exchanges"
FILE = "exchanges-{}-{}.sqlite3"  # code and instance
WRITE_AFTER = 0.5  # seconds: as long may a batch grow
WRITE_AT = 4 * 1024 * 1024  # bytes: a batch that large is not kept waiting
MOST_WAITING = 32 * 1024 * 1024
MOST_ROWS = 20_000
MOST_NOTES = 1000  # for messages that never come

_log = get_logger("egovkit.sandbox.exchanges")
# The HTTP call that is being served here.
current: ContextVar[Seen | None] = ContextVar("egov_exchange", default=None)


class Exchanges:
    """What one process recorded. The taps (egovkit.sandbox.taps, HoldableBus) tell it; the routes ask it."""

    def __init__(self, settings: ServiceSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.on = settings.sandbox_log_mb > 0
        path = settings.home / FILE.format(settings.code, settings.instance)
        self.store = ExchangeStore(path, MOST_ROWS, settings.sandbox_log_mb * 1024 * 1024)
        self._ids = SystemIds(clock)
        self._waiting: list[Seen] = []
        self._bytes = 0
        self._notes: dict[str, list[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def begin(self, medium: str, direction: str, **facts: Any) -> Seen:
        """An exchange that starts now; `end` puts it down. Ids sort by the beginning."""
        return Seen(self._ids.new(), self.clock.now(), medium, direction, facts, began=self.clock.monotonic())

    def end(self, seen: Seen) -> None:
        if (message := seen.facts.get("message_id")) is not None:
            seen.notes += self._notes.pop(message, [])
        self._waiting.append(seen)
        self._bytes += seen.size
        if self._bytes > MOST_WAITING:  # the disk does not keep up: better a gap than a service without memory
            _log.warning("exchanges.dropped", count=len(self._waiting))
            self._waiting, self._bytes = [], 0
        self._plan()

    def note(self, text: str, *, message_id: str | None = None) -> None:
        """What else a tester has to know, as a fault that was set on purpose: beside the next record of this message,
        or the HTTP call that is being served; where there is neither, a record of its own."""
        if not self.on:
            return
        if message_id is not None:
            if len(self._notes) >= MOST_NOTES:
                self._notes.pop(next(iter(self._notes)))
            self._notes.setdefault(message_id, []).append(text)
        elif (serving := current.get()) is not None:
            serving.notes.append(text)
        else:
            seen = self.begin(NOTE, "in")
            seen.notes.append(text)
            self.end(seen)

    # --- the bus (see HoldableBus)

    def publishing(self, messages: Sequence[Outgoing]) -> Callable[[Sequence[PublishError | None]], None]:
        begun = [self._of_bus("out", "published", message) for message in messages]

        def done(answers: Sequence[PublishError | None]) -> None:
            for seen, error in zip(begun, answers, strict=True):
                seen.facts["outcome"] = "confirmed" if error is None else error.reason.value
                if error is not None and error.detail:
                    seen.facts["detail"] = error.detail[:300]
                self.end(seen)

        return done

    def delivering(self, deliveries: Sequence[Delivery]) -> Callable[[Sequence[Outcome] | None], None]:
        begun = [self._of_bus("in", "delivered", delivery) for delivery in deliveries]

        def done(outcomes: Sequence[Outcome] | None) -> None:
            """None: the handler fell over the whole batch, which is delivered again one by one."""
            for n, (seen, delivery) in enumerate(zip(begun, deliveries, strict=True)):
                outcome = outcomes[n] if outcomes is not None and n < len(outcomes) else "failed"
                seen.facts |= {"outcome": "dead" if isinstance(outcome, Dead) else str(outcome)}
                seen.facts["attempt"] = delivery.attempt
                if isinstance(outcome, Dead):
                    seen.facts["detail"] = outcome.reason[:300]
                self.end(seen)

        return done

    def _of_bus(self, direction: str, event: str, message: Outgoing | Delivery) -> Seen:
        seen = self.begin(BUS, direction, event=event, queue=message.queue, message_id=message.message_id)
        seen.request_headers, seen.request = dict(message.headers), message.body
        seen.request_size = len(message.body)
        return seen

    # --- writing and reading

    def _plan(self) -> None:
        """One write at a time, at the latest WRITE_AFTER after what it writes."""
        if self._task is not None or not self._waiting:
            return
        if self._bytes >= WRITE_AT:
            self._cancel_timer()
            self._write_soon()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_AFTER, self._write_soon)

    def _write_soon(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self.flush(), name="egov-exchanges")
        self._task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            self._plan()

    async def flush(self) -> None:
        """Everything seen so far is in the file afterwards. Never fails: a log is not what a service falls over."""
        self._cancel_timer()
        async with self._writing:
            batch, self._waiting, self._bytes = self._waiting, [], 0
            if not batch:
                return
            try:
                await asyncio.to_thread(self._write, batch)
            except Exception as error:
                _log.warning("exchanges.not_written", count=len(batch), error=f"{type(error).__name__}: {error}")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self, batch: Sequence[Seen]) -> None:
        self.store.add([row_of(seen, self.settings.code, self.settings.instance) for seen in batch])

    async def find(self, wish: Wish) -> list[Row]:
        await self.flush()
        return await asyncio.to_thread(self.store.find, wish)

    async def get(self, id_: str) -> Row | None:
        await self.flush()
        return await asyncio.to_thread(self.store.get, id_)

    async def clear(self) -> int:
        await self.flush()
        return await asyncio.to_thread(self.store.clear)


# --- HTTP


class EnvelopeView(BaseModel):
    """What an envelope's attributes say; those that are missing in it are missing here."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str | None = None
    type: str | None = None
    source: str | None = None
    recipient: str | None = None
    subject: str | None = Field(default=None, description="the case")
    regulation: str | None = None
    channel: str | None = None
    step: str | None = None
    region: str | None = None
    caseseq: int | None = None


class BodyView(BaseModel):
    headers: dict[str, str] = Field(description="secrets of HTTP covered by ***; those of the bus exactly")
    body: str = Field(description="base64")
    size: int = Field(description="bytes that were sent")
    cut: bool = Field(default=False, description="whether `body` is only their beginning")


class ExchangeView(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    at: datetime = Field(description="by the sandbox's clock: when it began")
    service: str
    instance: str
    medium: Literal["http", "bus", "note"]
    direction: Literal["in", "out"] = Field(description="in: served or delivered; out: called or published")
    method: str | None = None
    path: str | None = None
    query: str | None = None
    url: str | None = Field(default=None, description="of a call that the service made: whom it asked")
    status: int | None = None
    ms: float | None = None
    event: Literal["published", "delivered"] | None = None
    queue: str | None = None
    outcome: str | None = Field(
        default=None,
        description="published: confirmed, or why not; delivered: ack, retry, dead or failed; called: unanswered",
    )
    detail: str | None = Field(default=None, description="of the outcome")
    message_id: str | None = None
    attempt: int | None = None
    envelope: EnvelopeView | None = None
    refused: bool
    code: str | None = Field(default=None, description="of the problem, or of the refusal that the envelope is")
    side: str | None = None
    clause: str | None = None
    reason: Reason | None = Field(default=None, description="why it was refused")
    notes: list[str] = Field(description="what else befell it, as faults that were set on purpose")


class WholeExchange(ExchangeView):
    request: BodyView | None = Field(default=None, description="what was sent; of the bus: the message itself")
    response: BodyView | None = None


class ExchangePage(BaseModel):
    items: list[WholeExchange | ExchangeView]
    next: str | None = Field(description="the cursor of the next page; null: this is the last")


class ExchangesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    medium: Literal["http", "bus", "note"] | None = None
    direction: Literal["in", "out"] | None = None
    case: str | None = Field(default=None, min_length=1, max_length=100, description="also HTTP calls that name it")
    message: str | None = Field(default=None, min_length=1, max_length=128, description="an envelope's id")
    code: str | None = Field(default=None, max_length=100)
    refused: bool | None = None
    text: str | None = Field(default=None, max_length=200, description="anywhere in it, in any case of letters")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    cursor: str | None = Field(default=None, max_length=64)
    order: Literal["newest", "oldest"] = "newest"
    limit: int = Field(default=50, ge=1, le=500)
    full: bool = Field(default=False, description="whole exchanges instead of summaries")

    def wish(self) -> Wish:
        found = self.model_dump(exclude={"order", "full"})
        return Wish(**found, oldest_first=self.order == "oldest")


def exchanges_router(exchanges: Exchanges, guards: Sequence[params.Depends]) -> Routes:
    """The routes above."""
    router = Routes(prefix=PATH, tags=["sandbox"], dependencies=guards)
    problems = read_once(Problems.load, contracts_dir(exchanges.settings.contracts))

    @router.get("")
    async def find_exchanges(wanted: Annotated[ExchangesQuery, Query()]) -> ExchangePage:
        return page_of(await exchanges.find(wanted.wish()), wanted, problems)

    @router.get("/{exchange}")
    @refuses("exchange.unknown")
    async def get_exchange(exchange: str) -> WholeExchange:
        row = await exchanges.get(exchange)
        if row is None:
            raise EgovError("exchange.unknown")
        return whole_of(row, problems)

    @router.delete("")
    async def empty_exchanges() -> dict[str, int]:
        return {"deleted": await exchanges.clear()}

    return router


def page_of(rows: Sequence[Row], wanted: ExchangesQuery, problems: Problems) -> ExchangePage:
    shown = rows[: wanted.limit]
    items = [whole_of(row, problems) if wanted.full else _brief(row, problems) for row in shown]
    return ExchangePage(items=items, next=shown[-1].id if len(rows) > len(shown) else None)


def _brief(row: Row, problems: Problems) -> ExchangeView:
    return ExchangeView(id=row.id, **row.facts, reason=reason_of(row, problems))


def whole_of(row: Row, problems: Problems) -> WholeExchange:
    sides: dict[str, Any] = {}
    for name, body in (("request", row.request), ("response", row.response)):
        if (known := row.facts.get(name)) is not None:
            sides[name] = BodyView(**known, body=base64.b64encode(body or b"").decode())
    return WholeExchange(id=row.id, **{**row.facts, **sides}, reason=reason_of(row, problems))

"""`Node`: what every member of the bus holds from start to stop, put together once.

    def create_app(settings: Settings, *, bus=None, clock=None, ids=None) -> FastAPI:
        node = Node(settings, package="portal_pep", tables=tables.kit, bus=bus, clock=clock, ids=ids)

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with node:
                app.state.portal = portal = Portal(node.db, node.outbox, node.journal, ...)
                await node.receive("inbox.portal-pep", handlers(portal))
                yield

        app = node.create_service(lifespan=lifespan)
        app.serve(api.router)
        return app

Entering it reads the key, migrates the database and starts the bus; none of that waits for another service. Joining
(issuing certificate, revocation list, member list) goes on in the background until it succeeds; until then
/health/ready says what is being waited for, and no inbox takes anything.

A gateway uses the same node without `tables` for outbox and inbox: it gives a journal alone, or nothing, consumes
with its own pipeline from `node.bus` (after `await node.joined.wait()`), and, if it is the one that keeps the list
of members, gives its own `join`.

Budget: it is the one list of what a member holds; a part moved out would have to be looked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from sqlalchemy import Table

from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db.engine import Database, in_memory
from egovkit.db.migrate import migrate, upgrade
from egovkit.db.tables import JournalTables, KitTables
from egovkit.deadlines import (
    DEFAULT_PACE,
    DeadlineHandler,
    DeadlineMetrics,
    DeadlinePace,
    DeadlineRunner,
    Deadlines,
)
from egovkit.equipment import file_of, load_bodies, make_bus, open_custody, served_by
from egovkit.errors import EgovError
from egovkit.idempotency import Idempotent
from egovkit.ids import Ids, SystemIds
from egovkit.inbox import Handler, Inbox, Prepare
from egovkit.journal import Journal
from egovkit.journal_bodies import Bodies
from egovkit.journal_keeping import JournalKeeper, StampMetrics
from egovkit.key_watch import KeyMetrics, KeyWatch, log_refusal
from egovkit.log import get_logger
from egovkit.membership import Membership
from egovkit.messages import MessageRegister
from egovkit.openapi import Documented, Papers
from egovkit.outbox import Outbox
from egovkit.parts import NotStarted, Parts, present
from egovkit.problems import Problems
from egovkit.relay import Relay
from egovkit.sandbox.clock import sandbox_clock, sandbox_control, watch_deadlines, watch_outbox
from egovkit.sandbox.door import sandbox_router
from egovkit.sandbox.faulty_http import bend_http
from egovkit.sandbox.taps import tap_client, tap_service
from egovkit.service import Check, Lifespan, PathCheck, create_service
from egovkit.settings import ServiceSettings
from egovkit.signatures.certificates import TrustStore, load_certificate
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.ocsp import OcspClient
from egovkit.signatures.tls import client_trust
from egovkit.signatures.trust_source import TrustSource
from egovkit.upkeep import BusMetrics, forget_for_ever

JOIN_PAUSE = 0.5  # seconds before the second attempt to join; doubles up to JOIN_PAUSE_MAX
JOIN_PAUSE_MAX = 10.0
MEMBERS_EVERY = 30.0  # seconds; a safety net under the pushed lists, one conditional GET
HTTP_TIMEOUT = httpx.Timeout(5.0)

T = TypeVar("T")
Join = Callable[["Node"], Awaitable[None]]
_log = get_logger("egovkit.node")


class Node:
    """See the module. What needs no file and no network is there at once (`settings`, `clock`, `ids`, `contracts`,
    `problems`, `messages`); the rest from `async with` on. A `bus` or `http` that is given is not closed here.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        package: str,
        tables: KitTables | None = None,
        journal: JournalTables | None = None,
        bus: Bus | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        http: httpx.AsyncClient | None = None,
        join: Join | None = None,
    ) -> None:
        self.settings = settings
        self.code = settings.code
        clock = clock or sandbox_clock(settings)
        self.control = sandbox_control(settings, clock)
        self.clock: Clock = clock if self.control is None else self.control.clock
        self.ids: Ids = ids or SystemIds(self.clock)
        self.contracts: Path = contracts_dir(settings.contracts)
        self.problems = read_once(Problems.load, self.contracts)
        self.messages = read_once(MessageRegister.load, self.contracts)
        self.metrics = BusMetrics(settings.code)
        self.joined = asyncio.Event()
        self._package = package
        self._tables = tables
        self._journal_tables = tables.journal if tables is not None else journal
        self._given_bus = bus
        self._given_http = http
        self._join = join or join_by_http
        self._waiting_for = "start"
        self._parts: Parts | None = None
        self._stack: AsyncExitStack | None = None
        self._key_metrics = KeyMetrics(settings.code, self.metrics.registry)
        self.metrics.ask(self._refresh_key_metrics)
        self._inboxes: list[Inbox] = []
        self._deadline_metrics: DeadlineMetrics | None = None
        self._stamp_metrics: StampMetrics | None = None
        self._timers: list[DeadlineRunner] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def db(self) -> Database:
        return self._started.db

    @property
    def bus(self) -> Bus:
        return self._started.bus

    @property
    def key(self) -> KeyCustody:
        """Who holds the system's key: signs envelopes, receipts, journal rows, access tokens."""
        return self._started.key

    @property
    def trust(self) -> TrustStore:
        return self._started.trust

    @property
    def trust_source(self) -> TrustSource:
        return self._started.trust_source

    @property
    def signatures(self) -> DocumentSignatures:
        """Whether to believe a person's signature over a document."""
        return self._started.signatures

    @property
    def membership(self) -> Membership:
        return self._started.membership

    @property
    def http(self) -> httpx.AsyncClient:
        """For calls to ШЭП and НУЦ."""
        return self._started.http

    @property
    def journal(self) -> Journal:
        return present(self._started.journal, "journal tables")

    @property
    def bodies(self) -> Bodies:
        """What seals the journal's bodies, for what else the service keeps of what was sent."""
        return present(self.journal.bodies, "journal tables")

    @property
    def journal_keeper(self) -> JournalKeeper:
        """Stamps, seals and purges; `purges` takes what a service has to purge beside its journal's bodies."""
        return present(self._started.keeper, "a stamped journal")

    @property
    def outbox(self) -> Outbox:
        return present(self._started.outbox, "kit tables")

    @property
    def relay(self) -> Relay:
        return present(self._started.relay, "kit tables")

    @property
    def idempotent(self) -> Idempotent:
        return present(self._started.idempotent, "kit tables")

    @property
    def inboxes(self) -> Sequence[Inbox]:
        """Those that `receive` made; the sandbox pauses them while it moves the clock."""
        return tuple(self._inboxes)

    @property
    def timers(self) -> Sequence[DeadlineRunner]:
        """Those that `keep_deadlines` made."""
        return tuple(self._timers)

    @property
    def _started(self) -> Parts:
        if self._parts is None:
            raise NotStarted(f"{self.code}: use the node inside `async with node`")
        return self._parts

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        """In the order of need; the stack stops in the opposite one: intake, relay, bus, database."""
        settings = self.settings
        try:
            key = await asyncio.to_thread(open_custody, settings)
        except EgovError as error:
            log_refusal(self.code, error, self.problems)
            raise
        trust = TrustStore(load_certificate(file_of(settings.trust_root, "trust root").read_bytes()))
        self._waiting_for = "migration"
        db = Database(settings.database_url)
        stack.push_async_callback(db.close)
        await self._migrate(db)
        http = self._given_http
        if http is None:
            http = await stack.enter_async_context(
                httpx.AsyncClient(timeout=HTTP_TIMEOUT, verify=client_trust(settings.tls_ca))
            )
        source = TrustSource(trust, http, self.clock, settings.nuc_url)
        signatures = DocumentSignatures(trust, OcspClient(http, self.clock, settings.nuc_url), source)
        bus = self._given_bus or make_bus(settings, self.clock)
        if self.control is not None:
            self.control.faults.key = key
            stack.push_async_callback(self.control.exchanges.flush)
            stack.callback(tap_client(http, self.control))
            bus = self.control.take_bus(bus)
            stack.push_async_callback(self.control.leave_bus)
            self.control.prepares.append(lambda _: self.refresh())
        await bus.start()
        if self._given_bus is None:
            stack.push_async_callback(bus.close)
        membership = Membership(trust, self.clock)
        key.use_when(lambda print_: membership.lets_sign(self.code, print_))
        watch = KeyWatch(self.code, key, self.clock, self._key_metrics, self.problems, serving=served_by(settings))
        self._parts = Parts(db, bus, key, watch, trust, source, signatures, membership, http)
        stack.callback(self._forget_parts)
        await self._start_sending(stack, self._parts)
        stack.push_async_callback(self._stop_intake)
        self.background(watch.run(), "egov-keys")
        self.background(self._keep_joined(), "egov-join")

    async def _migrate(self, db: Database) -> None:
        if in_memory(db.url):
            await upgrade(db, self._package)  # another connection would be another database
        else:
            await asyncio.to_thread(migrate, self.settings.database_url, self._package)

    async def _start_sending(self, stack: AsyncExitStack, parts: Parts) -> None:
        if self._journal_tables is not None:
            self._start_journal(parts, self._journal_tables)
        if self._tables is not None:
            tables = self._tables.outbox
            parts.idempotent = Idempotent(parts.db, self._tables.idempotency, self.clock, self.ids)
            parts.relay = Relay(parts.db, parts.bus, tables.outbox, self.clock)
            parts.outbox = Outbox(
                parts.key,
                self.code,
                self.clock,
                self.ids,
                tables,
                messages=self.messages,
                on_commit=parts.relay.wake,
            )
            if self.control is not None:
                watch_outbox(self.control, parts.db, tables.outbox)
            stack.push_async_callback(parts.relay.close)
            await parts.relay.start()
            forgetting = forget_for_ever(parts.db, self._tables.idempotency, tables.outbox, self.clock, self.settings)
            self.background(forgetting, "egov-forget")

    def _start_journal(self, parts: Parts, tables: JournalTables) -> None:
        bodies = load_bodies(self.settings)
        parts.journal = Journal(tables, self.settings.writer, parts.key, bodies)
        if tables.stamps is None:
            return
        parts.keeper = JournalKeeper(
            parts.db, parts.journal, bodies, self.clock, self.settings, trust=parts.trust, http=parts.http
        )
        if self._stamp_metrics is None:  # a node that starts anew counts on
            self._stamp_metrics = StampMetrics(self.code, self.metrics.registry)
            self.metrics.ask(self._show_stamps)
        self.background(parts.keeper.run(), "egov-journal")

    async def _show_stamps(self) -> None:
        if self._parts is not None and self._parts.keeper is not None and self._stamp_metrics is not None:
            self._stamp_metrics.show(await self._parts.keeper.standing())

    async def _stop_intake(self) -> None:
        self.joined.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(inbox.close() for inbox in self._inboxes))
        self._inboxes.clear()
        self._timers.clear()

    def _forget_parts(self) -> None:
        self._parts = None
        self._waiting_for = "start"

    def background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs `work` until the node stops; if it fails, that is logged as an error."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("node.background_failed", task=task.get_name(), error=repr(error), exc_info=error)

    async def _keep_joined(self) -> None:
        pause = JOIN_PAUSE
        while not await self._try_to_join():
            await self.clock.sleep(pause)
            pause = min(pause * 2, JOIN_PAUSE_MAX)
        self.background(self.trust_source.run(), "egov-trust")
        for inbox in self._inboxes:
            await inbox.start()
        self.joined.set()
        _log.info("node.joined", service=self.code, members=self.membership.members.version)
        while True:
            await self.clock.sleep(MEMBERS_EVERY)
            await self._try_to_join()

    async def _try_to_join(self) -> bool:
        if self.trust.crl_next_update is None:
            self._waiting_for = "revocation list"
        try:
            await self._join(self)
        except Exception as error:  # whatever it is, the next attempt may find the neighbour well again
            _log.warning("node.join_failed", service=self.code, error=str(error) or type(error).__name__)
            return False
        return self.membership.members.is_known

    async def receive(
        self,
        queue: str,
        handlers: Mapping[str, Handler],
        *,
        code: str | None = None,
        prepares: Mapping[str, Prepare] | None = None,
    ) -> Inbox:
        """Takes envelopes from `queue` as soon as the node has joined (now, if it has)."""
        tables = present(self._tables, "kit tables")
        inbox = Inbox(
            self.db,
            self.bus,
            queue,
            code=code or self.code,
            membership=self.membership,
            trust=self.trust,
            clock=self.clock,
            table=tables.inbox,
            messages=self.messages,
            handlers=handlers,
            prepares=prepares,
            refresh=self.refresh,
            settled=partial(self.metrics.taken, queue),
        )
        self._inboxes.append(inbox)
        if self.joined.is_set():
            await inbox.start()
        return inbox

    def keep_deadlines(
        self, table: Table, handlers: Mapping[str, DeadlineHandler], pace: DeadlinePace = DEFAULT_PACE
    ) -> Deadlines:
        """Fires the rows of `table` through the handler of their kind until the node stops."""
        if self._deadline_metrics is None:  # a node that starts anew counts on
            self._deadline_metrics = DeadlineMetrics(self.code, self.metrics.registry)
            self.metrics.ask(partial(self._deadline_metrics.refresh, self._timers))
        runner = DeadlineRunner(self.db, table, self.clock, handlers, metrics=self._deadline_metrics, pace=pace)
        self._timers.append(runner)
        if self.control is not None:
            watch_deadlines(self.control, runner)
        self.background(runner.run(), "egov-deadlines")
        return runner.deadlines

    async def refresh(self) -> None:
        """Looks for a newer revocation list and member list now. Failing is no error: what is known stays."""
        try:
            await self.trust_source.refresh(force=True)
            await self._join(self)
        except (httpx.HTTPError, EgovError) as error:
            _log.warning("node.refresh_failed", service=self.code, error=str(error) or type(error).__name__)

    def waiting_for(self, what: str) -> None:
        """For a `join` of one's own: what /health/ready shows under "members" until it is done."""
        self._waiting_for = what

    @property
    def checks(self) -> dict[str, Check]:
        """The readiness of the parts: database, bus, members (which includes trust)."""
        return {"database": self._check_database, "bus": self._check_bus, "members": self._check_members}

    def create_service(
        self,
        *,
        lifespan: Lifespan,
        checks: Mapping[str, Check] | None = None,
        path_check: PathCheck | None = None,
        body_limits: Sequence[tuple[str, int]] = (),
        title: str | None = None,
    ) -> Documented:
        """`egovkit.service.create_service` with what the node knows; `app.state.node` is the node."""
        app = create_service(
            self.code,
            problems=self.problems,
            clock=self.clock,
            lifespan=lifespan,
            checks={**self.checks, **(checks or {})},
            path_check=path_check,
            details={"keys": self._keys_shown, "stamps": self._stamps_shown},
            body_limits=body_limits,
            ids=self.ids,
            title=title,
            more_metrics=self._metrics_text,
            papers=Papers(self.contracts, self.settings.port),
        )
        app.state.node = self
        if self.control is not None:
            bend_http(app, self.control.faults)
            app.serve(sandbox_router(self.control))
            tap_service(app, self.control)
        return app

    def _keys_shown(self) -> list[dict[str, Any]]:
        return [] if self._parts is None else self._parts.key_watch.shown()

    def _stamps_shown(self) -> dict[str, Any] | None:
        keeper = None if self._parts is None else self._parts.keeper
        return None if keeper is None else keeper.shown()

    async def _refresh_key_metrics(self) -> None:
        if self._parts is not None:
            await self._parts.key_watch.refresh_metrics()

    async def _metrics_text(self) -> bytes:
        return await self.metrics.text(None if self._parts is None else self._parts.relay)

    async def _check_database(self) -> str | None:
        await self.db.ping()
        return None

    async def _check_bus(self) -> str | None:
        return None if self.bus.connected else "connection to the broker"

    async def _check_members(self) -> str | None:
        return None if self.joined.is_set() else self._waiting_for


async def join_by_http(node: Node) -> None:
    """How everybody but ШЭП joins: НУЦ's issuing certificate and revocation list, then ШЭП's member list."""
    await node.trust_source.refresh()
    node.waiting_for("member list")
    await node.membership.fetch(node.http, node.settings.shep_url)

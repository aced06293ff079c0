"""Running a deployment from the command line: an event loop, signals, what is printed."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rich.console import Console

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from sandbox.bootstrap import NotReady, RefusedByService, make_home
from sandbox.composition import ADMINISTERED
from sandbox.hosting import StartFailed
from sandbox.world import Deployment, Ports, World

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
NOT_STARTED = (StartFailed, NotReady, RefusedByService)  # each says why in its own words


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one; `work` ends by itself. Warnings go to stderr: stdout is for results."""
    configure_logging(SystemClock(), level="warning")
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


@contextmanager
def logging_to(home: Path) -> Iterator[None]:
    """The services' JSON lines in a file of the deployment, as long as they run in this process."""
    make_home(home)
    path = home / "logs" / "services.log"
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as stream:
        configure_logging(SystemClock(), stream=stream)
        try:
            yield
        finally:
            configure_logging(SystemClock(), level="warning")


@contextmanager
def starting() -> Iterator[None]:
    """A start makes objects that live as long as the process: the cycle collector would walk through them again and
    again (a quarter of the start's time) and find nothing. It rests until they are there, and then passes them by."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def stop_event() -> asyncio.Event:
    """Set by SIGTERM or Ctrl-C; the loop then closes everything in order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """The result of `work`, or None when the stop came first (the work is cancelled then)."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None
    return task.result()


def run_up(
    home: Path,
    *,
    ports: str,
    amqp: str | None,
    db: str | None,
    gateways: int,
    sandbox: bool = False,
    without: Sequence[str] = (),
    tls: bool = False,
) -> int:
    """`egov up`; returns the exit status."""
    console = Console()
    chosen = cast(Ports, ports)

    def make() -> Deployment:
        if amqp and db:
            from sandbox.production import ProductionWorld

            return ProductionWorld(
                home,
                amqp=amqp,
                db=db,
                gateways=gateways,
                ports=chosen,
                sandbox=sandbox,
                without=without,
                tls=tls,
            )
        return World(home, ports=chosen, without=without)

    async def up() -> int:
        with logging_to(home):
            return await _up(make, console)

    return run(up())


async def _up(make: Callable[[], Deployment], console: Console) -> int:
    stop = stop_event()
    try:
        world = make()
        world.progress = lambda text: console.print(text, style="dim", highlight=False)
        with starting():
            entered = await until_stopped(world.__aenter__(), stop)
    except NOT_STARTED as error:
        console.print(f"not started: {error}", style="red", highlight=False, soft_wrap=True)
        return 1
    if entered is None:
        return 0
    try:
        show_addresses(world, console)
        await stop.wait()
        console.print("stopping", style="dim")
    finally:
        await world.__aexit__(None, None, None)
    return 0


def show_addresses(world: Deployment, console: Console) -> None:
    """Where each service listens, and where its admin token lies (never the token itself)."""
    console.print(f"\nThe bus is up. Files: {world.home.path}", style="bold", highlight=False)
    for service in world.services:
        note = f"admin token: {world.home.admin_token(service.code)}" if service.code in ADMINISTERED else ""
        text = f"  {service.code:<24} {world.url(service.code)}/openapi.json  {note}".rstrip()
        console.print(text, highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops it.", style="dim")

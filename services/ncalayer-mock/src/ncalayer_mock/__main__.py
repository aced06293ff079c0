"""Runs the agent alone: `python -m ncalayer_mock`, settings from NCALAYER_MOCK_*; questions come to the terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from ncalayer_mock.app import Agent, CannotStart, running
from ncalayer_mock.control.console import Console
from ncalayer_mock.settings import Settings


async def run(settings: Settings, write: Callable[[str], None], password: str | None = None) -> None:
    """Until SIGINT or SIGTERM; `password` of the keys, where no file holds it. CannotStart."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    async with running(settings, password=password) as agent:
        write(opening(agent))
        if not settings.yes:
            Console(agent.desk, write).listen(sys.stdin)
        await stop.wait()


def opening(agent: Agent) -> str:
    """What is said when it listens: addresses, files, pages, keys."""
    said = [
        f"The signing agent listens on {agent.address} (twin of NCALayer; no legal force)",
        f"control API {agent.control_address}, token in {agent.settings.control_token_path}",
        f"pages that may ask: {', '.join(agent.settings.origins)}",
    ]
    if agent.files is not None:
        said.append(f"browsers have to trust {agent.files.authority}")
    said += [f"key {card.name}: {card.subject_cn}" for card in agent.ring.cards] or ["no key yet"]
    return "\n".join(said)


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    try:
        asyncio.run(run(settings, lambda text: print(text, flush=True)))
    except CannotStart as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

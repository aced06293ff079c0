"""Every service, fuzzed from its own document: what it says is what it does, whatever it is sent.

The services run as in `egov up`, in this process; schemathesis reads their OpenAPI documents and makes up calls, right
ones and wrong ones, one after another and in chains where one answer feeds the next. Few in CI, many in
`make test-full`. What it holds against an answer: no 5xx, a documented status, media type, header and body, and that
what the document forbids is refused.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from sandbox.composition import CENTRE, NUC, PORTAL, PROVIDER, RSHEP, SERVICES
from sandbox.replay.reading import the_law
from sandbox.replay.worker import THROWAWAY
from sandbox.running import logging_to
from sandbox.world import World

T = TypeVar("T")
FULL = os.environ.get("EGOV_TEST_FULL") == "1"
EXAMPLES = 25 if FULL else 1
# A call may be right by its document and wrong by the law (a check digit, a clause), so that it may be refused.
NOT_HELD = ("positive_data_acceptance",)
# Ends the session the fuzzer works in, or takes the time away from under it.
LEFT_OUT = ("/v1/sessions/current", "/v1/sandbox")

# Bytes like any others to who makes them up.
BYTES = ["application/ocsp-request", "application/timestamp-query", "application/pdf"]
schemathesis.serializer.alias(BYTES, "application/octet-stream")


class Running:
    """A deployment on a loop of its own: schemathesis is no coroutine."""

    def __init__(self, home: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.world = World(home, ports="auto", tuned=THROWAWAY)
        self.run(self.world.__aenter__())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        self.run(self.world.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def token(self, code: str) -> str:
        """Of somebody who may do there what anybody may."""
        if code == PORTAL:
            citizen = await self.world.citizen()
            await citizen.register()
            await citizen.log_in()
            return citizen.token
        if code == PROVIDER:
            return (await self.world.official(region=the_law().regulations[0].region)).token
        if code == CENTRE:
            return (await self.world.operator()).token
        return "" if code == RSHEP else self.world.admin_token(code)


@contextmanager
def started(home: Path) -> Iterator[Running]:
    with logging_to(home):
        found = Running(home)
        yield found
        found.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("fuzzed")) as found:
        yield found


@pytest.mark.parametrize("code", [service.code for service in SERVICES if service.code != NUC])
@pytest.mark.usefixtures("socket_enabled")
def test_a_service_does_what_its_document_says_whatever_it_is_sent(running: Running, code: str) -> None:
    found, calls = fuzz(running, code)
    assert found == [], "\n".join(found)
    assert calls > 0


@pytest.mark.usefixtures("socket_enabled")
def test_the_authority_does_so_too_in_a_world_where_it_may_revoke_whom_it_likes(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        found, calls = fuzz(running, NUC)
    assert found == [], "\n".join(found)
    assert calls > 0


def fuzz(running: Running, code: str) -> tuple[list[str], int]:
    """What was found, each kind once, and how many calls were made."""
    found: dict[tuple[str, ...], str] = {}
    calls = 0
    for event in from_schema(_schema(running, code)).execute():
        if isinstance(event, events.FatalError | events.NonFatalError):
            found[type(event).__name__, str(event)] = f"schemathesis: {event}"
        if not isinstance(event, events.ScenarioFinished):
            continue
        calls += len(event.recorder.interactions)
        for case_id, checks in event.recorder.checks.items():
            call = event.recorder.cases[case_id].value
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    key = (call.operation.label, check.name, failure.title)
                    found.setdefault(
                        key, f"{call.operation.label}: {failure.title}: {failure.message}\n{call.as_curl_command()}"
                    )
    return list(found.values()), calls


def _schema(running: Running, code: str) -> Any:
    import httpx

    url = running.world.url(code)
    document = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    document["paths"] = {path: item for path, item in document["paths"].items() if not path.startswith(LEFT_OUT)}
    schema = schemathesis.openapi.from_dict(document)
    config = schema.config
    token = running.run(running.token(code))
    config.update(base_url=url, headers={"Authorization": f"Bearer {token}"} if token else {}, continue_on_failure=True)
    config.generation.update(max_examples=EXAMPLES, deterministic=True, no_shrink=True)
    config.phases.coverage.enabled = FULL
    config.phases.stateful.max_steps = 30 if FULL else 6
    for name in NOT_HELD:
        getattr(config.checks, name).enabled = False
    return schema

"""The HTTP of a service with faults: calls that end in 500, answers that come late. Never health, metrics or the
sandbox's own door: a tester has to see that the service lives, and to end the fault."""

from __future__ import annotations

from collections import deque

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from egovkit.errors import EgovError
from egovkit.sandbox.fault_names import REPLY, REQUEST
from egovkit.sandbox.faults import Faults, Rule

SPARED = ("/health", "/metrics", "/v1/sandbox")


def bend_http(app: FastAPI, faults: Faults) -> None:
    """Innermost: what it raises becomes a problem at the edge, as any failure of the service itself."""
    app.user_middleware.append(Middleware(FaultyHttp, faults=faults))


class FaultyHttp:
    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rules = [] if scope["type"] != "http" else self._faults.at(REQUEST, REPLY)
        if not rules or scope["path"].startswith(SPARED):
            await self._app(scope, receive, send)
            return
        said = scope["path"].encode() + b"?" + scope.get("query_string", b"")
        if any(rule.wish.person or rule.wish.case for rule in rules):
            messages = await _read(receive)
            said += b"\n" + b"".join(message.get("body", b"") for message in messages)
            receive = _again(messages, receive)
        hit = [rule for rule in rules if rule.meets_call(scope["path"], said) and rule.takes()]
        for rule in hit:
            self._faults.told(rule, f"{scope['method'][:16]} {rule.parameters.get('path', 'any path')}")
        await self._bent(hit, scope, receive, send)

    async def _bent(self, hit: list[Rule], scope: Scope, receive: Receive, send: Send) -> None:
        failing = [rule for rule in hit if rule.spec.name == "http-500"]
        if any(rule.place == REQUEST for rule in failing):
            raise EgovError("service.internal")
        late = sum(float(rule.parameters["seconds"]) for rule in hit if rule.spec.name == "slow-reply")

        async def bent_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._faults.clock.sleep(late)
            if not failing:
                await send(message)

        await self._app(scope, receive, bent_send if hit else send)
        if failing:
            raise EgovError("service.internal")


async def _read(receive: Receive) -> list[Message]:
    """The whole body; the edge limits it."""
    messages: list[Message] = []
    while True:
        messages.append(message := await receive())
        if message["type"] != "http.request" or not message.get("more_body"):
            return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    left = deque(messages)

    async def replayed() -> Message:
        return left.popleft() if left else await receive()

    return replayed

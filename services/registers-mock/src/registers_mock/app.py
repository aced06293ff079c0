"""All wiring, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from fastapi import FastAPI

from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.contracts import read_yaml
from egovkit.ids import Ids
from egovkit.node import Node
from egovregister.answering import Answering
from egovregister.assembly import create_register
from registers_mock import api, control, handlers, tables
from registers_mock.service import AkimatRegister, Akimats
from registers_mock.settings import Settings

__all__ = ["create_app"]

TITLE = "Twin of the akimats' own registers and queues"


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
) -> FastAPI:
    """The application; its lifespan fills an empty register and takes questions until it ends."""
    node = Node(settings, package="registers_mock", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)
    regions = _regions(node.contracts)

    async def fill(app: FastAPI) -> Answering:
        answering = Answering(node, AkimatRegister(_kinds(node)), tables.register, tables.kit)
        app.state.akimats = akimats = Akimats(answering, regions)
        await akimats.seed()
        return answering

    return create_register(
        node,
        settings,
        fill,
        handlers.HANDLERS,
        api=api.router,
        control=control.router,
        title=TITLE,
    )


def _kinds(node: Node) -> Callable[[str], str | None]:
    """What each participant is, by ШЭП's list as it is at the time of asking."""

    def kind_of(code: str) -> str | None:
        member = node.membership.members.get(code)
        return None if member is None else member.kind

    return kind_of


def _regions(contracts: Path) -> tuple[str, ...]:
    return tuple(read_yaml(contracts / "regions.yaml")["regions"])

"""What a diagram is made of: places and words, no format. Pixels, the origin is the upper left corner."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from egovlaw.catalogue import FlowItem, Limit

Shape = Literal["task", "gateway", "start", "message_start", "refusal_end", "result_end", "sent_end"]
EdgeKind = Literal["flow", "message"]
Point = tuple[float, float]

POOL_LABEL = 44.0  # the strip at an open pool's left, for its name
TIMER_LINE = 13.0  # of a limit's words


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def centre(self) -> Point:
        return self.x + self.w / 2, self.y + self.h / 2


@dataclass(frozen=True, slots=True)
class Pool:
    """One system or person. A closed one takes part by messages only: the act gives it no item of its own."""

    id: str
    name: str
    box: Box
    lines: tuple[str, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class Timer:
    """A limit on the border of its node."""

    id: str
    box: Box
    limit: Limit
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """`item` stands on the task of an item alone; gateways and events are drawn because of one, `label` tells which."""

    id: str
    shape: Shape
    pool: str
    label: str
    name: str
    box: Box
    axis: float  # where edges come in and go out
    item: FlowItem | None = None
    lines: tuple[str, ...] = ()
    timers: tuple[Timer, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` and `target` are nodes, or pools for messages."""

    id: str
    kind: EdgeKind
    source: str
    target: str
    points: tuple[Point, ...]
    name: str = ""


@dataclass(frozen=True, eq=False)
class Diagram:
    title: str
    description: str
    width: float
    height: float
    pools: tuple[Pool, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def by_id(self) -> dict[str, Node | Pool]:
        return {**{pool.id: pool for pool in self.pools}, **{node.id: node for node in self.nodes}}

"""The edges of a diagram: orthogonal, from border to border, and not through a node. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, pairwise

from egovlaw.catalogue import Branch, Channel, FlowItem
from egovlaw.diagram.parts import Box, Edge, Node, Point, Pool
from egovlaw.flow import LOCAL_REPORT

PORT = 28.0  # beside the middle of a task: a second line up or down
ASKED, ABREAST = 20.0, 16.0  # question and answer left and right of the middle, further registers outside of them
DETOUR, APART = 14.0, 5.0  # from the pool's lower border and from where the target's timers are

YES, NO, REFUSED = "да", "нет", "отказ"


class Router:
    """All edges of one channel whose nodes have their places."""

    def __init__(self, channel: Channel, pools: Sequence[Pool], nodes: Sequence[Node]) -> None:
        self._channel = channel
        self._by_name = {pool.name: pool for pool in pools}
        self._by_id = {pool.id: pool for pool in pools}
        self._nodes = {node.id: node for node in nodes}
        self._detours = cycle(range(3))

    def edges(self) -> tuple[Edge, ...]:
        found: list[Edge] = []
        for item in self._channel.flow:
            found += [*self._inside(item), *self._ends(item), *self._messages(item)]
        return tuple(found)

    def _inside(self, item: FlowItem) -> Iterator[Edge]:
        """Into the item from its pool's start, and on to its successors in the same pool."""
        task = self._nodes[f"item_{item.label}"]
        for shape in ("start", "message_start"):
            if (start := self._nodes.get(f"{shape}_{item.label}")) is not None:
                yield self._flow(start, task)
        if (source := self._last(item)) is not task:
            yield self._flow(task, source)
        for label in dict.fromkeys(item.successors):
            target = self._nodes[f"item_{label}"]
            if target.pool == task.pool:
                yield self._flow(source, target, self._answer(item, label))

    def _answer(self, item: FlowItem, label: str) -> str:
        if not isinstance(item.next, Branch):
            return ""
        return YES if label == item.next.ok else NO

    def _ends(self, item: FlowItem) -> Iterator[Edge]:
        """The last is named where an item has two: it may hand over a refusal."""
        found = [self._nodes.get(f"{shape}_{item.label}") for shape in ("sent_end", "result_end", "refusal_end")]
        for n, end in enumerate(filter(None, found)):
            yield self._flow(self._last(item), end, REFUSED if n else "")

    def _last(self, item: FlowItem) -> Node:
        """Where the item is left: at its gateway, or else its task."""
        return self._nodes.get(f"gate_{item.label}") or self._nodes[f"item_{item.label}"]

    def _flow(self, source: Node, target: Node, name: str = "") -> Edge:
        points = next(
            path
            for path in (self._direct(source, target), self._bent(source, target), self._around(source, target))
            if path is not None
        )
        return Edge(f"flow_{source.id}_{target.id}", "flow", source.id, target.id, points, name)

    def _direct(self, source: Node, target: Node) -> tuple[Point, ...] | None:
        path = ((source.box.right, source.axis), (target.box.x, target.axis))
        straight = source.axis == target.axis and source.box.right < target.box.x
        return path if straight and self._free(path, source, target) else None

    def _bent(self, source: Node, target: Node) -> tuple[Point, ...] | None:
        """Between two rows: a gateway is left up or down, a refusal that goes on enters the other row from its side."""
        if source.axis == target.axis or source.box.right > target.box.x:
            return None
        down = target.axis > source.axis
        if source.shape == "gateway" or target.shape == "refusal_end":
            x = source.box.centre[0] + (0 if source.shape == "gateway" else PORT)
            path = ((x, source.box.bottom if down else source.box.y), (x, target.axis), (target.box.x, target.axis))
        else:
            x = target.box.centre[0] - PORT
            entry = target.box.y if down else target.box.bottom
            path = ((source.box.right, source.axis), (x, source.axis), (x, entry))
        return path if self._free(path, source, target) else None

    def _around(self, source: Node, target: Node) -> tuple[Point, ...]:
        """Along the lower border of the pool, each on a line of its own: back, or past what stands between."""
        apart = APART * next(self._detours)
        x, track = source.box.centre[0], self._by_id[source.pool].box.bottom - DETOUR + apart
        before = target.box.x - DETOUR - apart
        return (x, source.box.bottom), (x, track), (before, track), (before, target.axis), (target.box.x, target.axis)

    def _free(self, path: Sequence[Point], *ends: Node) -> bool:
        others = [node.box for node in self._nodes.values() if node not in ends]
        return not any(crosses(a, b, box) for a, b in pairwise(path) for box in others)

    def _messages(self, item: FlowItem) -> Iterator[Edge]:
        """What leaves the pool: through the systems the act names, in their order, to the item that it reaches."""
        task = self._nodes[f"item_{item.label}"]
        own = self._by_id[task.pool]
        away = [self._nodes[f"item_{label}"] for label in item.successors]
        starts = {node.pool: self._nodes[f"message_start_{node.label}"] for node in away if node.pool != task.pool}
        speaks = item.kind.message not in (None, LOCAL_REPORT)
        stops = [self._by_name[name] for name in item.systems if speaks and name != own.name]
        stops += [self._by_id[pool] for pool in starts if self._by_id[pool] not in stops]
        if item.kind.name == "query_registers":
            yield from self._questions(item, task, stops)
            return
        x, here = task.box.centre[0], task.id
        for stop in stops:
            there = starts[stop.id].id if stop.id in starts else stop.id
            yield self._message(item, here, there, x)
            here = stop.id

    def _questions(self, item: FlowItem, task: Node, stops: Sequence[Pool]) -> Iterator[Edge]:
        """To the registers and back, both times through the gateway that the act names first."""
        if not stops:
            return
        x, way, registers = task.box.centre[0], stops[0], stops[1:]
        yield self._message(item, task.id, way.id, x - ASKED)
        for n, register in enumerate(registers):
            yield self._message(item, way.id, register.id, x - ASKED - n * ABREAST)
            yield self._message(item, register.id, way.id, x + ASKED + n * ABREAST)
        yield self._message(item, way.id, task.id, x + ASKED)

    def _message(self, item: FlowItem, source: str, target: str, x: float) -> Edge:
        one, other = self._box(source), self._box(target)
        down = other.y >= one.bottom
        points = ((x, one.bottom if down else one.y), (x, other.y if down else other.bottom))
        return Edge(f"message_{item.label}_{source}_{target}", "message", source, target, points)

    def _box(self, identity: str) -> Box:
        return self._nodes[identity].box if identity in self._nodes else self._by_id[identity].box


def crosses(a: Point, b: Point, box: Box) -> bool:
    """Does a horizontal or vertical line pass through the inside of a box?"""
    left, right = sorted((a[0], b[0]))
    top, bottom = sorted((a[1], b[1]))
    return left < box.right and right > box.x and top < box.bottom and bottom > box.y

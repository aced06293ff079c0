"""Where everything of a diagram lies. Pure: the same channel gives the same numbers.

A pool for every system; an item stands in the pool of the system that acts, in the column behind the items that
lead to it. Refusals have a row of their own in their pool, on the side where no message passes. An item that is
reached from another pool is reached by a message: its pool's process begins with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from egovlaw.catalogue import Branch, Channel, FlowItem, Regulation
from egovlaw.diagram.parts import POOL_LABEL, TIMER_LINE, Box, Diagram, Node, Pool, Shape, Timer
from egovlaw.diagram.routing import Router
from egovlaw.diagram.words import APPLICANTS, CHANNEL_WORDS, KIND_WORDS, clause_words, limit_lines, wrap

MARGIN, HEADING, LEGEND = 16.0, 46.0, 56.0
POOL_GAP, CLOSED_POOL, OPEN_POOL, POOL_PAD = 30.0, 34.0, 130.0, 20.0
TASK_W, TASK_HEAD, TIMER_PAD = 164.0, 76.0, 6.0
AXIS = TASK_HEAD / 2  # below a task's upper edge, so that timers never meet an edge
GATEWAY, GATEWAY_GAP, EVENT, EVENT_GAP, TIMER = 44.0, 26.0, 26.0, 14.0, 18.0
COLUMN_GAP, ROW_GAP, START_COLUMN = 58.0, 34.0, 70.0
TEXT, SMALL = 12.0, 10.0

# What it asks and what it finds in a register is the doing of the system that asks, whichever systems the act names.
_IN_THE_ASKING_SYSTEM = ("query_registers", "check_registers")


@dataclass(frozen=True, slots=True)
class Place:
    """The cell of an item before anything has a size."""

    item: FlowItem
    pool: str
    column: int

    @property
    def refusal(self) -> bool:
        return self.item.outcome == "refusal"


def lay_out(regulation: Regulation, channel: Channel) -> Diagram:
    """The diagram of one channel with a flow; ValueError for a channel the act only names."""
    if not channel.has_flow:
        raise ValueError(f"{regulation.code} has no flow for the channel {channel.code}")
    places = _places(channel)
    names = _pool_names(places)
    columns = _columns(places)
    width = columns[-1] + MARGIN
    pools, axes, bottom = _pools(places, names, channel, width - 2 * MARGIN)
    nodes = _nodes(places, channel, columns, axes, names)
    return Diagram(
        title=f"{regulation.title_ru} — {CHANNEL_WORDS[channel.code]}",
        description=f"{regulation.title_kk}. {regulation.act.body_ru}, № {regulation.act.number}; {regulation.code}",
        width=width,
        height=bottom + LEGEND,
        pools=pools,
        nodes=nodes,
        edges=Router(channel, pools, nodes).edges(),
    )


def acting_systems(channel: Channel) -> dict[str, str]:
    """Label -> who acts: the first system an item names; nobody named is the person at the counter."""
    found: dict[str, str] = {}
    before = _applicant(channel.flow)
    for item in channel.flow:
        if item.kind.name not in _IN_THE_ASKING_SYSTEM:
            before = item.systems[0] if item.systems else _applicant([item])
        found[item.label] = before
    return found


def _applicant(items: Sequence[FlowItem]) -> str:
    said = " ".join(item.text_ru for item in items).casefold()
    return next((word for word in APPLICANTS if word.casefold() in said), APPLICANTS[-1])


def _places(channel: Channel) -> list[Place]:
    acting, columns, taken = acting_systems(channel), dict[str, int](), set[tuple[str, int, bool]]()
    places: list[Place] = []
    for item in channel.flow:
        pool = acting[item.label]
        leading = [columns[other.label] for other in channel.flow[: item.n - 1] if item.label in other.successors]
        column = max(leading, default=-1) + 1
        while (pool, column, item.outcome == "refusal") in taken:
            column += 1
        taken.add((pool, column, item.outcome == "refusal"))
        columns[item.label] = column
        places.append(Place(item, pool, column))
    return places


def _pool_names(places: Sequence[Place]) -> dict[str, str]:
    """Name -> id, in the order in which the act names them."""
    named = [name for place in places for name in (place.pool, *place.item.systems)]
    return {name: f"pool_{n}" for n, name in enumerate(dict.fromkeys(named), start=1)}


def _columns(places: Sequence[Place]) -> list[float]:
    """The left edge of every column, and last the right edge of the pools."""
    edges = [MARGIN + POOL_LABEL + START_COLUMN]
    for column in range(max(place.column for place in places) + 1):
        wide = any(place.column == column and isinstance(place.item.next, Branch) for place in places)
        edges.append(edges[-1] + TASK_W + COLUMN_GAP + (GATEWAY_GAP + GATEWAY if wide else 0))
    return edges


def _pools(
    places: Sequence[Place], names: dict[str, str], channel: Channel, width: float
) -> tuple[tuple[Pool, ...], dict[tuple[str, bool], float], float]:
    """The pools, the axis of each row of each (with and without refusal), and where the last one ends."""
    pools: list[Pool] = []
    axes: dict[tuple[str, bool], float] = {}
    top = MARGIN + HEADING
    for name, identity in names.items():
        rows = [[p.item for p in places if p.pool == name and p.refusal is refusal] for refusal in (True, False)]
        closed = not any(rows)
        y = top + POOL_PAD
        order = (True, False) if name != list(names)[-1] else (False, True)  # messages to the next pool pass below
        for refusal in order:
            items = rows[0] if refusal else rows[1]
            if items or not refusal:
                axes[name, refusal] = y + AXIS
            if items:
                y += max(_height(item, channel) for item in items) + ROW_GAP
        height = CLOSED_POOL if closed else max(y - ROW_GAP + POOL_PAD - top, OPEN_POOL)
        lines = wrap(name, width if closed else height, TEXT)
        pools.append(Pool(identity, name, Box(MARGIN, top, width, height), lines, closed))
        top += height + POOL_GAP
    return tuple(pools), axes, top - POOL_GAP


def _height(item: FlowItem, channel: Channel) -> float:
    timers = _timers(item, channel, 0, 0)
    return TASK_HEAD if not timers else timers[-1].box.y + timers[-1].box.h / 2 + TIMER_LINE * len(timers[-1].lines)


def _timers(item: FlowItem, channel: Channel, x: float, y: float) -> tuple[Timer, ...]:
    """One under another on the left border of the item at (x, y), below what the item is."""
    timers: list[Timer] = []
    top = y + TASK_HEAD
    for n, limit in enumerate((limit for limit in channel.limits if limit.label == item.label), start=1):
        lines = limit_lines(limit, TASK_W - TIMER, SMALL)
        box = Box(x - TIMER / 2, top, TIMER, TIMER)
        timers.append(Timer(f"limit_{item.label}_{n}", box, limit, lines))
        top += max(TIMER_LINE * len(lines), TIMER) + TIMER_PAD
    return tuple(timers)


def _nodes(
    places: Sequence[Place],
    channel: Channel,
    columns: Sequence[float],
    axes: dict[tuple[str, bool], float],
    names: dict[str, str],
) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for place in places:
        item, pool, axis = place.item, names[place.pool], axes[place.pool, place.refusal]
        box = Box(columns[place.column], axis - AXIS, TASK_W, _height(item, channel))
        senders = [other for other in places if item.label in other.item.successors and other.pool != place.pool]
        if not nodes:
            nodes.append(_event("start", pool, item.label, box.x - START_COLUMN / 2 - EVENT / 2, axis))
        elif senders:
            x = columns[senders[0].column] + (TASK_W - EVENT) / 2
            nodes.append(_event("message_start", pool, item.label, x, axis))
        nodes.append(_task(item, channel, pool, box, axis))
        if isinstance(item.next, Branch):
            gate = Box(box.right + GATEWAY_GAP, axis - GATEWAY / 2, GATEWAY, GATEWAY)
            nodes.append(Node(f"gate_{item.label}", "gateway", pool, item.label, f"{item.label}?", gate, axis))
        end = nodes[-1].box.right + EVENT_GAP
        onward = [other.pool for other in places if other.item.label in item.successors]
        if place.pool not in onward:  # the case ends, or goes on in another pool
            shape: Shape = "sent_end" if onward else "refusal_end" if place.refusal else "result_end"
            nodes.append(_event(shape, pool, item.label, end, axis))
        refused = [other for other in places if other.refusal and item.label in other.item.successors]
        if item.next is None and any(other.pool == place.pool for other in refused):  # D17: it hands over either
            nodes.append(_event("refusal_end", pool, item.label, end, axes[place.pool, True]))
    return tuple(nodes)


def _task(item: FlowItem, channel: Channel, pool: str, box: Box, axis: float) -> Node:
    words = KIND_WORDS[item.kind.name]
    return Node(
        id=f"item_{item.label}",
        shape="task",
        pool=pool,
        label=item.label,
        name=f"{item.label}. {words} ({clause_words(item.clause)})",
        box=box,
        axis=axis,
        item=item,
        lines=(f"{item.label} · {clause_words(item.clause)}", *wrap(words, TASK_W - 16, TEXT)),
        timers=_timers(item, channel, box.x, box.y),
    )


_EVENT_NAMES = {
    "start": "Начало",
    "message_start": "Получено",
    "refusal_end": "Отказ",
    "result_end": "Результат",
    "sent_end": "Передано",
}


def _event(shape: Shape, pool: str, label: str, x: float, axis: float) -> Node:
    box = Box(x, axis - EVENT / 2, EVENT, EVENT)
    return Node(f"{shape}_{label}", shape, pool, label, _EVENT_NAMES[shape], box, axis)

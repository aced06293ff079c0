"""A diagram as SVG: text and lines only, no script, no font or style from elsewhere. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from egovlaw.diagram.parts import POOL_LABEL, TIMER_LINE, Box, Diagram, Edge, Node, Pool, Timer
from egovlaw.diagram.words import clause_words, wrap

NAMESPACE = "http://www.w3.org/2000/svg"

# Dark text on light ground: every pair has a contrast above 7 to 1.
INK, QUIET, PAPER = "#1a1a1a", "#4a4a4a", "#ffffff"
LABEL_GROUND, CLOSED_GROUND = "#dde6f0", "#f0f0f0"
GROUNDS: Mapping[str, tuple[str, str]] = {  # outcome of an item -> ground, border
    "continue": ("#f5f9ff", "#1f4e8c"),
    "refusal": ("#fdecea", "#a31515"),
    "result": ("#e8f5e9", "#1b5e20"),
}
CONDITION_GROUND, CONDITION_LINE = "#fff8e1", "#7a5200"
TIMER_INK = "#5b2a86"
DASHES = "6 4"  # of a message
FONT = "'Segoe UI', 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"


def to_svg(diagram: Diagram) -> str:
    root = ElementTree.Element("svg", {
        "xmlns": NAMESPACE, "viewBox": f"0 0 {diagram.width:g} {diagram.height:g}",
        "width": f"{diagram.width:g}", "height": f"{diagram.height:g}",
        "role": "img", "aria-labelledby": "title desc", "font-family": FONT, "font-size": "12", "fill": INK,
    })  # fmt: skip
    _add(root, "title", diagram.title, id="title")
    _add(root, "desc", diagram.description, id="desc")
    _markers(root)
    _rect(root, Box(0, 0, diagram.width, diagram.height), PAPER, "none")
    _heading(root, diagram)
    for pool in diagram.pools:
        _pool(root, pool)
    for edge in diagram.edges:
        _edge(root, edge)
    for node in diagram.nodes:
        _node(root, node)
    _legend(root, diagram)
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


Value = str | float | None


def _add(parent: ElementTree.Element, tag: str, text: str | None = None, /, **attributes: Value) -> ElementTree.Element:
    """`stroke_width=2` is stroke-width="2"; what is None is left out."""
    named = {
        key.replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
        for key, value in attributes.items()
        if value is not None
    }
    element = ElementTree.SubElement(parent, tag, named)
    element.text = text
    return element


def _rect(parent: ElementTree.Element, box: Box, fill: str, stroke: str, **more: Value) -> None:
    _add(parent, "rect", x=box.x, y=box.y, width=box.w, height=box.h, fill=fill, stroke=stroke, **more)


def _text(parent: ElementTree.Element, x: float, y: float, text: str, **more: Value) -> None:
    _add(parent, "text", text, x=x, y=y, **more)


def _circle(parent: ElementTree.Element, box: Box, fill: str, stroke: str, width: float) -> None:
    x, y = box.centre
    _add(parent, "circle", cx=x, cy=y, r=box.w / 2, fill=fill, stroke=stroke, stroke_width=width)


def _path(parent: ElementTree.Element, d: str, stroke: str, **more: Value) -> None:
    _add(parent, "path", d=d, fill="none", stroke=stroke, **more)


def _markers(root: ElementTree.Element) -> None:
    definitions = _add(root, "defs")
    for name, fill, size in (("flow", INK, 8), ("message", PAPER, 9)):
        marker = _add(
            definitions, "marker", id=name, viewBox="0 0 10 10", refX=9.5, refY=5, orient="auto",
            markerWidth=size, markerHeight=size, markerUnits="userSpaceOnUse",
        )  # fmt: skip
        _add(marker, "path", d="M0.5 1 L9.5 5 L0.5 9 z", fill=fill, stroke=INK)


def _heading(root: ElementTree.Element, diagram: Diagram) -> None:
    lines = wrap(diagram.title, diagram.width - 32, 15)
    for n, line in enumerate(lines[:2]):
        more = "…" if n == 1 and len(lines) > 2 else ""
        _text(root, 16, 26 + 19 * n, line + more, font_size=15, font_weight="bold")


def _pool(root: ElementTree.Element, pool: Pool) -> None:
    box = pool.box
    _rect(root, box, CLOSED_GROUND if pool.closed else PAPER, QUIET)
    if pool.closed:
        _text(root, box.x + 12, box.centre[1] + 4, pool.name, font_weight="bold")
        return
    _rect(root, Box(box.x, box.y, POOL_LABEL, box.h), LABEL_GROUND, QUIET)
    middle = box.x + POOL_LABEL / 2
    group = _add(root, "g", transform=f"rotate(-90 {middle:g} {box.centre[1]:g})", font_weight="bold")
    first = box.centre[1] + 4 - 7 * (len(pool.lines) - 1)
    for n, line in enumerate(pool.lines):
        _text(group, middle, first + 14 * n, line, text_anchor="middle")


def _edge(root: ElementTree.Element, edge: Edge) -> None:
    points = " L".join(f"{x:g} {y:g}" for x, y in edge.points)
    dashes = DASHES if edge.kind == "message" else None
    _path(
        root, f"M{points}", INK, marker_end=f"url(#{edge.kind})", stroke_width=1.3, id=edge.id, stroke_dasharray=dashes
    )
    if edge.name:
        (x, y), (_, beyond) = edge.points[:2]
        at = (x + 5, y - 5) if y == beyond else (x + 5, (y + beyond) / 2 + 4)
        _text(root, *at, edge.name, font_size=11, fill=QUIET)


def _node(root: ElementTree.Element, node: Node) -> None:
    group = _add(root, "g", id=node.id)
    if node.item is not None:
        item = node.item
        _add(group, "title", f"{item.label}, {clause_words(item.clause)}: {item.text_ru}")
        _task(group, node)
    elif node.shape == "gateway":
        _add(group, "title", f"{node.label}: {node.name}")
        (x, y), half = node.box.centre, node.box.w / 2
        d = f"M{x:g} {y - half:g} L{x + half:g} {y:g} L{x:g} {y + half:g} L{x - half:g} {y:g} z"
        _add(group, "path", d=d, fill=CONDITION_GROUND, stroke=CONDITION_LINE, stroke_width=1.5)
        _text(group, x, y + 4, node.label, text_anchor="middle", font_weight="bold")
    else:
        _add(group, "title", f"{node.label}: {node.name}")
        _event(group, node)


def _task(group: ElementTree.Element, node: Node) -> None:
    assert node.item is not None
    ground, line = GROUNDS[node.item.outcome]
    if node.item.type == "condition":
        ground, line = CONDITION_GROUND, CONDITION_LINE
    dashes = "4 3" if node.item.restored else None
    _rect(group, node.box, ground, line, stroke_width=1.5, rx=8, stroke_dasharray=dashes)
    head, *words = node.lines
    _text(group, node.box.x + 10, node.box.y + 19, head, font_weight="bold", font_size=11, fill=line)
    for n, text in enumerate(words):
        _text(group, node.box.x + 10, node.box.y + 37 + 15 * n, text)
    for timer in node.timers:
        _timer(group, timer)


def _timer(group: ElementTree.Element, timer: Timer) -> None:
    inner = _add(group, "g", id=timer.id)
    _add(inner, "title", f"{', '.join(timer.lines)} · {timer.limit.measured_by}")
    _circle(inner, timer.box, PAPER, TIMER_INK, 1.3)
    x, y = timer.box.centre
    _path(inner, f"M{x:g} {y - 5:g} V{y:g} L{x + 4:g} {y + 2:g}", TIMER_INK, stroke_width=1.3)
    for n, line in enumerate(timer.lines):
        _text(inner, timer.box.right + 4, y + 4 + TIMER_LINE * n, line, font_size=10, fill=TIMER_INK)


def _event(group: ElementTree.Element, node: Node) -> None:
    x, y = node.box.centre
    if node.shape == "refusal_end":
        ground, line = GROUNDS["refusal"]
        _circle(group, node.box, ground, line, 3)
        _path(group, f"M{x - 5:g} {y - 5:g} l10 10 M{x + 5:g} {y - 5:g} l-10 10", line, stroke_width=2)
    elif node.shape == "result_end":
        ground, line = GROUNDS["result"]
        _circle(group, node.box, ground, line, 3)
        _path(group, f"M{x - 6:g} {y:g} l4 5 l8 -10", line, stroke_width=2)
    else:
        line = INK
        _circle(group, node.box, PAPER, line, 3 if node.shape == "sent_end" else 1.3)
        if node.shape == "message_start":
            _path(group, f"M{x - 7:g} {y - 5:g} h14 v10 h-14 z l7 6 l7 -6", line)
    _text(group, x, node.box.bottom + 13, node.name, font_size=10, text_anchor="middle", fill=line)


def _legend(root: ElementTree.Element, diagram: Diagram) -> None:
    """What the signs mean, in one line under the pools."""
    group = _add(root, "g", id="legend", font_size=11)
    y = diagram.height - 26
    x = 16.0
    for fill, line, text in (
        (*GROUNDS["continue"], "действие"),
        (CONDITION_GROUND, CONDITION_LINE, "условие: да / нет"),
        (*GROUNDS["refusal"], "отказ"),
        (*GROUNDS["result"], "результат"),
    ):
        _rect(group, Box(x, y - 9, 18, 13), fill, line, rx=3)
        _text(group, x + 24, y + 2, text)
        x += 44 + 7 * len(text)
    _circle(group, Box(x, y - 11, 18, 18), PAPER, TIMER_INK, 1.3)
    _path(group, f"M{x + 9:g} {y - 7:g} v5 l4 2", TIMER_INK, stroke_width=1.3)
    _text(group, x + 24, y + 2, "срок действия и его пункт")
    x += 220
    for kind, text in (("flow", "порядок действий"), ("message", "сообщение между системами")):
        dashes = DASHES if kind == "message" else None
        _path(
            group, f"M{x:g} {y - 2:g} h34", INK, marker_end=f"url(#{kind})", stroke_width=1.3, stroke_dasharray=dashes
        )
        _text(group, x + 42, y + 2, text)
        x += 66 + 7 * len(text)
    if any(node.item is not None and node.item.restored for node in diagram.nodes):
        _rect(group, Box(x, y - 9, 18, 13), PAPER, INK, rx=3, stroke_dasharray="4 3")
        _text(group, x + 24, y + 2, "текст утрачен и восстановлен")

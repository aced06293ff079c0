"""A diagram as BPMN 2.0 XML with its places (BPMN DI). Pure.

Every open pool is a process. A condition of the act is the task that checks and the gateway that parts: a limit can
be a boundary event of a task alone. A limit does not interrupt: what lateness leads to is not the act's to say.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence

from egovlaw.diagram.parts import Box, Diagram, Edge, Node, Pool, Timer

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
NAMESPACES = {
    "xmlns": BPMN,
    "xmlns:bpmndi": "http://www.omg.org/spec/BPMN/20100524/DI",
    "xmlns:dc": "http://www.omg.org/spec/DD/20100524/DC",
    "xmlns:di": "http://www.omg.org/spec/DD/20100524/DI",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
TARGET = "urn:kz:egov:regulation"
REFUSAL = "error_refusal"  # the error that every refusal ends with

_TAGS = {
    "task": "task",
    "gateway": "exclusiveGateway",
    "start": "startEvent",
    "message_start": "startEvent",
    "refusal_end": "endEvent",
    "result_end": "endEvent",
    "sent_end": "endEvent",
}
_DEFINITIONS: Mapping[str, tuple[str, dict[str, str]]] = {
    "message_start": ("messageEventDefinition", {}),
    "refusal_end": ("errorEventDefinition", {"errorRef": REFUSAL}),
}


def to_bpmn(diagram: Diagram) -> str:
    root = ElementTree.Element("definitions", {**NAMESPACES, "id": "definitions", "targetNamespace": TARGET})
    _add(root, "error", id=REFUSAL, name="Отказ", errorCode="refusal")
    collaboration = _add(root, "collaboration", id="collaboration", name=diagram.title)
    _add(collaboration, "documentation", diagram.description)
    for pool in diagram.pools:
        more = {} if pool.closed else {"processRef": f"process_{pool.id}"}
        _add(collaboration, "participant", id=pool.id, name=pool.name, **more)
    for edge in diagram.edges:
        if edge.kind == "message":
            _add(collaboration, "messageFlow", id=edge.id, sourceRef=edge.source, targetRef=edge.target)
    for pool in diagram.pools:
        if not pool.closed:
            _process(root, diagram, pool)
    _places(root, diagram)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _process(root: ElementTree.Element, diagram: Diagram, pool: Pool) -> None:
    process = _add(root, "process", id=f"process_{pool.id}", name=pool.name, isExecutable="false")
    own = [node for node in diagram.nodes if node.pool == pool.id]
    inside = {node.id for node in own}
    flows = [edge for edge in diagram.edges if edge.kind == "flow" and edge.source in inside]
    for node in own:
        _flow_node(process, node, flows)
        for timer in node.timers:
            _boundary(process, node, timer)
    for flow in flows:
        named = {"name": flow.name} if flow.name else {}
        element = _add(process, "sequenceFlow", id=flow.id, sourceRef=flow.source, targetRef=flow.target, **named)
        if flow.name:
            _add(element, "conditionExpression", flow.name)


def _flow_node(process: ElementTree.Element, node: Node, flows: Sequence[Edge]) -> None:
    leaving = [flow for flow in flows if flow.source == node.id]
    element = _add(process, _TAGS[node.shape], id=node.id, name=node.name)
    if node.shape == "task" and any(flow.name for flow in leaving):
        element.set("default", next(flow.id for flow in leaving if not flow.name))
    if node.item is not None:
        _add(element, "documentation", node.item.text_ru)
    for flow in flows:
        if flow.target == node.id:
            _add(element, "incoming", flow.id)
    for flow in leaving:
        _add(element, "outgoing", flow.id)
    if node.shape in _DEFINITIONS:
        tag, attributes = _DEFINITIONS[node.shape]
        _add(element, tag, id=f"{node.id}_definition", **attributes)


def _boundary(process: ElementTree.Element, node: Node, timer: Timer) -> None:
    name = ", ".join(timer.lines)
    event = _add(process, "boundaryEvent", id=timer.id, name=name, attachedToRef=node.id, cancelActivity="false")
    definition = _add(event, "timerEventDefinition", id=f"{timer.id}_definition")
    _add(definition, "timeDuration", f"PT{timer.limit.max_s}S", **{"xsi:type": "tFormalExpression"})


def _places(root: ElementTree.Element, diagram: Diagram) -> None:
    page = _add(root, "bpmndi:BPMNDiagram", id="diagram", name=diagram.title)
    plane = _add(page, "bpmndi:BPMNPlane", id="plane", bpmnElement="collaboration")
    for pool in diagram.pools:
        _shape(plane, pool.id, pool.box, isHorizontal="true")
    for node in diagram.nodes:
        shape = _shape(plane, node.id, node.box, **({"isMarkerVisible": "true"} if node.shape == "gateway" else {}))
        if node.shape not in ("task", "gateway"):
            label = Box(node.box.x - 16, node.box.bottom + 2, node.box.w + 32, 14)
            _bounds(_add(shape, "bpmndi:BPMNLabel"), label)
        for timer in node.timers:
            label = Box(timer.box.right + 2, timer.box.y + 2, node.box.w - timer.box.w, 13.0 * len(timer.lines))
            _bounds(_add(_shape(plane, timer.id, timer.box), "bpmndi:BPMNLabel"), label)
    for edge in diagram.edges:
        drawn = _add(plane, "bpmndi:BPMNEdge", id=f"{edge.id}_edge", bpmnElement=edge.id)
        for x, y in edge.points:
            _add(drawn, "di:waypoint", x=f"{x:g}", y=f"{y:g}")


def _shape(plane: ElementTree.Element, identity: str, box: Box, **more: str) -> ElementTree.Element:
    shape = _add(plane, "bpmndi:BPMNShape", id=f"{identity}_shape", bpmnElement=identity, **more)
    _bounds(shape, box)
    return shape


def _bounds(parent: ElementTree.Element, box: Box) -> None:
    _add(parent, "dc:Bounds", x=f"{box.x:g}", y=f"{box.y:g}", width=f"{box.w:g}", height=f"{box.h:g}")

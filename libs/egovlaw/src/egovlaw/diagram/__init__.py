"""The acts' diagrams, drawn again from the data (D18): one layout, and two renderings of it."""

from egovlaw.diagram.bpmn import to_bpmn
from egovlaw.diagram.layout import lay_out
from egovlaw.diagram.svg import to_svg

__all__ = ["lay_out", "to_bpmn", "to_svg"]

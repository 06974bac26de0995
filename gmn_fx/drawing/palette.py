"""Colours and marks: Okabe and Ito's palette, which colour-blind readers can tell apart.

Kinds differ in shape as well as in colour, so that a grey print can still be read.
"""

from __future__ import annotations

from dataclasses import dataclass

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8A8A8A"
INK = "#222222"
PALE = "#5F5F5F"

FONT = "Helvetica,Arial,sans-serif"

POSITIVE, NEGATIVE, NOT_FINITE = BLUE, VERMILLION, PURPLE


@dataclass(frozen=True)
class NodeStyle:
    """How nodes of one kind look: `shape` in DOT, `mark` in our own SVG."""

    fill: str
    stroke: str
    shape: str
    mark: str


@dataclass(frozen=True)
class EdgeStyle:
    """How arrows of one class look in the architecture view."""

    color: str
    style: str
    label: str
    dash: str = ""


NODES: dict[str, NodeStyle] = {
    "input": NodeStyle("#FFFFFF", BLACK, "box", "circle"),
    "constant": NodeStyle("#D9D9D9", PALE, "box", "square"),
    "bias": NodeStyle("#4D4D4D", "#4D4D4D", "square", "square"),
    "vocabulary": NodeStyle("#FBF7B6", "#9A8F00", "folder", "triangle"),
    "position": NodeStyle("#FDFBD9", "#9A8F00", "tab", "triangle"),
    "neuron": NodeStyle("#D4EBFA", BLUE, "box", "circle"),
    "channel": NodeStyle("#C9EBDF", GREEN, "box", "circle"),
    "statistic": NodeStyle("#FBE3B0", ORANGE, "box", "diamond"),
    "product": NodeStyle("#F3D9E7", PURPLE, "box", "times"),
    "sum": NodeStyle("#FADBC8", VERMILLION, "box", "plus"),
    "state": NodeStyle("#B8D6EA", BLUE, "octagon", "hexagon"),
    "opaque": NodeStyle("#FFFFFF", VERMILLION, "component", "query"),
    "fold": NodeStyle("#F2F2F2", INK, "box3d", "square"),
}

EDGES: dict[str, EdgeStyle] = {
    "parameter": EdgeStyle(INK, "solid", "parameters"),
    "buffer": EdgeStyle(PURPLE, "solid", "not trainable"),
    "residual": EdgeStyle(BLUE, "dashed", "residual", "6 4"),
    "free": EdgeStyle(GREY, "dashed", "no parameters", "3 3"),
}


def node_style(kind: str) -> NodeStyle:
    """The style of `kind`; an unknown kind looks opaque rather than failing."""
    return NODES.get(kind, NODES["opaque"])


def edge_class(kind: str, has_slot: bool, trainable: bool) -> str:
    """The class (key of `EDGES`) of a bundle."""
    if has_slot:
        return "parameter" if trainable else "buffer"
    return "residual" if kind == "residual" else "free"

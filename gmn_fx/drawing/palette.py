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


@dataclass(frozen=True)
class NodeStyle:
    """How nodes of one kind look, on light and dark: `shape` in DOT, `mark` in our own SVG."""

    fill: str
    stroke: str
    dark_fill: str
    dark_stroke: str
    shape: str
    mark: str


@dataclass(frozen=True)
class EdgeStyle:
    """How one class of edges looks; `style` in DOT, `dash` in SVG."""

    color: str
    dark: str
    style: str
    label: str
    dash: str = ""


@dataclass(frozen=True)
class Theme:
    """Colours of what is neither node nor edge."""

    paper: str
    ink: str
    pale: str
    frame: str
    frame_line: str


LIGHT = Theme("#FFFFFF", INK, PALE, "#F8F8F8", "#C4C4C4")
DARK = Theme("#16181D", "#E9EAEC", "#A9AFB8", "#1F2229", "#454B57")

NODES: dict[str, NodeStyle] = {
    "input": NodeStyle("#FFFFFF", BLACK, "#16181D", "#F2F2F2", "box", "circle"),
    "constant": NodeStyle("#D9D9D9", PALE, "#4A4E57", "#A9AFB8", "box", "square"),
    "bias": NodeStyle("#4D4D4D", "#4D4D4D", "#B9BDC4", "#B9BDC4", "square", "square"),
    "vocabulary": NodeStyle("#FBF7B6", "#9A8F00", "#4B4710", "#E5D93A", "folder", "triangle"),
    "position": NodeStyle("#FDFBD9", "#9A8F00", "#33310F", "#E5D93A", "tab", "triangle"),
    "neuron": NodeStyle("#D4EBFA", BLUE, "#12395A", SKY, "box", "circle"),
    "channel": NodeStyle("#C9EBDF", GREEN, "#0D4435", "#35C79B", "box", "circle"),
    "norm": NodeStyle("#E3EDC9", "#5B7A1B", "#33420F", "#A9CC57", "box", "equals"),
    "residual": NodeStyle("#A6CFEC", BLUE, "#24618F", SKY, "box", "plus"),
    "statistic": NodeStyle("#FBE3B0", ORANGE, "#553C08", "#F0B43C", "box", "diamond"),
    "product": NodeStyle("#F3D9E7", PURPLE, "#54304A", "#E29CC4", "box", "times"),
    "sum": NodeStyle("#FADBC8", VERMILLION, "#5A2A0C", "#FF8C4D", "box", "boxplus"),
    "state": NodeStyle("#B8D6EA", BLUE, "#1B4A70", "#7CC7F2", "octagon", "hexagon"),
    "opaque": NodeStyle("#FFFFFF", VERMILLION, "#16181D", "#FF8C4D", "component", "query"),
    "fold": NodeStyle("#F2F2F2", INK, "#2A2E37", "#D5D8DD", "box3d", "square"),
}

# What one node is called where its kind is not a word for it; and marks that are no kinds.
WORDS = {
    "bias": "bias node",
    "residual": "residual sum",
    "vocabulary": "vocabulary entry",
    "opaque": "opaque node",
    "fold": "folded module",
}

# Classes of edges. Single edges with values are drawn by sign, all others by what they carry.
SIGNS: dict[str, EdgeStyle] = {
    "positive": EdgeStyle(BLUE, SKY, "solid", "positive"),
    "negative": EdgeStyle(VERMILLION, "#FF8C4D", "solid", "negative"),
    "not-finite": EdgeStyle(PURPLE, "#E8A9CD", "dotted", "nan or inf", "2 2"),
}
EDGES: dict[str, EdgeStyle] = {
    "parameter": EdgeStyle(INK, "#C9CCD1", "solid", "parameters"),
    "buffer": EdgeStyle(PURPLE, "#E29CC4", "solid", "not trainable"),
    "residual": EdgeStyle(BLUE, SKY, "dashed", "residual", "6 4"),
    "free": EdgeStyle(GREY, "#8D939D", "dashed", "no parameters", "3 3"),
}


def node_style(kind: str) -> NodeStyle:
    """The style of `kind`; an unknown kind looks opaque rather than failing."""
    return NODES.get(kind, NODES["opaque"])


def node_class(kind: str) -> str:
    """`kind` as a class name of the style sheet."""
    return kind if kind in NODES else "opaque"


def edge_class(kind: str, has_slot: bool, trainable: bool) -> str:
    """The class (key of `EDGES`) of a bundle."""
    if has_slot:
        return "parameter" if trainable else "buffer"
    return "residual" if kind == "residual" else "free"

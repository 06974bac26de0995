"""A scene as DOT text with positions, for the formats that Graphviz draws and we do not."""

from __future__ import annotations

from typing import Any

from gmn_fx.drawing import palette
from gmn_fx.drawing.neurons.measure import text_width
from gmn_fx.drawing.neurons.parts import Bunch, Label, Line, Mark, Outline, Point, Scene, Tile
from gmn_fx.drawing.neurons.strokes import CLASSES
from gmn_fx.drawing.text import TIMES, dot_label, dot_tooltip

_SHAPES = {
    "circle": "circle",
    "square": "square",
    "diamond": "diamond",
    "query": "square",
    "triangle": "triangle",
    "hexagon": "hexagon",
    "times": "circle",
    "plus": "circle",
    "boxplus": "square",
    "equals": "circle",
}
_TEXT = {"times": TIMES, "plus": "+", "boxplus": "+", "equals": "=", "query": "?"}
_COLOURS = {**palette.SIGNS, **palette.EDGES}


def write_dot(scene: Scene) -> str:
    """DOT text of a scene: draw it with `neato -n2` (`dot -Knop2`)."""
    import graphviz

    dot = graphviz.Digraph("neurons", engine="neato", graph_attr=_graph_attr(scene))
    dot.attr(
        "node", style="filled", fixedsize="true", fontname=palette.FONT, fontsize="9", label=""
    )
    dot.attr("edge", dir="none")
    _Writer(dot, scene).write()
    return str(dot.source)


def _graph_attr(scene: Scene) -> dict[str, str]:
    return {
        "bgcolor": palette.LIGHT.paper,
        "fontname": palette.FONT,
        "pad": "0.3",
        "outputorder": "edgesfirst",
        "tooltip": dot_tooltip(scene.title),
    }


class _Writer:
    """Adds the parts of a scene.

    Graphviz draws clusters, then edges by their first node, then nodes: so frames are clusters,
    and tiles are edges between points that come after all neurons.
    """

    def __init__(self, dot: Any, scene: Scene) -> None:
        self.dot, self.scene = dot, scene
        self.number = 0

    def write(self) -> None:
        """Add everything."""
        scene = self.scene
        body = (scene.left, scene.top)
        for outline in scene.outlines:
            self._outline(outline, body)
        for mark in scene.marks:
            self._mark(mark, f"n{mark.node}", body)
        for bunch in scene.bunches:
            self._strokes(bunch, body)
        for tile in scene.tiles:
            self._tile(tile, body)
        for label in scene.labels:
            self._text(label, body)
        for label in scene.header:
            self._text(label, (0.0, 0.0))
        for part in scene.key:
            self._key_part(part)

    def _name(self, letter: str) -> str:
        self.number += 1
        return f"{letter}{self.number}"

    def _at(self, x: float, y: float, shift: Point) -> str:
        """A point of DOT: y grows upwards."""
        return f"{x + shift[0]:.1f},{self.scene.height - y - shift[1]:.1f}"

    def _outline(self, outline: Outline, shift: Point) -> None:
        x, y, wide, high = outline.box
        with self.dot.subgraph(name=self._name("cluster_")) as inner:
            inner.attr(
                bb=f"{self._at(x, y + high, shift)},{self._at(x + wide, y, shift)}",
                style="rounded,dashed" if outline.head else "rounded,filled",
                fillcolor=palette.LIGHT.frame,
                color=palette.NODES["product"].stroke if outline.head else palette.LIGHT.frame_line,
                tooltip=dot_tooltip(outline.about),
            )

    def _mark(self, mark: Mark, name: str, shift: Point) -> None:
        style = palette.node_style(mark.role)
        self.dot.node(
            name,
            pos=self._at(*mark.at, shift),
            shape=_SHAPES[style.mark],
            width=f"{mark.radius / 36:.3f}",
            height=f"{mark.radius / 36:.3f}",
            fillcolor=style.fill,
            color=style.stroke,
            fontcolor=style.stroke,
            label=_TEXT.get(style.mark, ""),
            tooltip=dot_tooltip(mark.about) or " ",
        )

    def _strokes(self, bunch: Bunch, shift: Point) -> None:
        one, about = bunch.strokes, bunch.about()
        for k, points in enumerate(bunch.points.tolist()):
            name, level = CLASSES[int(one.cls[k])], int(one.level[k])
            attr = {
                "pos": " ".join(self._at(x, y, shift) for x, y in points),
                "penwidth": f"{bunch.widths[level]:g}",
                "color": f"{_COLOURS[name].color}{round(255 * bunch.opacities[level]):02X}",
                "tooltip": dot_tooltip(about[k]),
            }
            if bunch.dash or name == "not-finite":
                attr["style"] = "dashed"
            self.dot.edge(f"n{int(one.src[k])}", f"n{int(one.dst[k])}", **attr)

    def _tile(self, tile: Tile, shift: Point) -> None:
        """Cells as short thick strokes: they have to lie above the strokes of the edges."""
        x, y = tile.at
        rows = len(tile.cells) // tile.cols
        self._bar((x - 0.5, x + tile.cell * tile.cols + 0.5), y + tile.cell * rows / 2,
                  tile.cell * rows + 1, palette.LIGHT.frame_line, shift)  # fmt: skip
        for k, (name, strength) in enumerate(tile.cells):
            left, top = x + tile.cell * (k % tile.cols), y + tile.cell * (k // tile.cols)
            ends, middle = (left, left + tile.cell), top + tile.cell / 2
            self._bar(ends, middle, tile.cell, palette.LIGHT.paper, shift)
            color = f"{_COLOURS[name].color}{round(255 * strength):02X}"
            self._bar(ends, middle, tile.cell, color, shift)

    def _bar(
        self,
        ends: Point,
        y: float,
        high: float,
        color: str,
        shift: Point,
        style: str = "solid",
    ) -> None:
        names = []
        for x in ends:
            names.append(self._name("p"))
            self.dot.node(names[-1], shape="point", style="invis", width="0.001", height="0.001",
                          pos=self._at(x, y, shift))  # fmt: skip
        points = [ends[0], (2 * ends[0] + ends[1]) / 3, (ends[0] + 2 * ends[1]) / 3, ends[1]]
        self.dot.edge(
            *names,
            pos=" ".join(self._at(x, y, shift) for x in points),
            penwidth=f"{high:.2f}",
            color=color,
            style=style,
        )

    def _key_part(self, part: Mark | Line | Label | Tile | Outline) -> None:
        none = (0.0, 0.0)
        if isinstance(part, Mark):
            self._mark(part, self._name("k"), none)
        elif isinstance(part, Label):
            self._text(part, none)
        elif isinstance(part, Tile):
            self._tile(part, none)
        elif isinstance(part, Outline):
            self._outline(part, none)
        else:
            color = _COLOURS[part.cls].color
            ends, style = (part.start[0], part.end[0]), "dashed" if part.dash else "solid"
            self._bar(ends, part.start[1], part.width, color, none, style)

    def _text(self, label: Label, shift: Point) -> None:
        """Text as a node without a shape: Graphviz has no free text."""
        wide = text_width(label.text, label.size)
        x = label.at[0] + {"start": 0.5, "middle": 0.0, "end": -0.5}[label.anchor] * wide
        text = dot_tooltip(label.text)
        justify = {"start": "\\l", "middle": "", "end": "\\r"}[label.anchor]
        self.dot.node(
            self._name("t"),
            label=f"<<B>{dot_label(label.text)}</B>>" if label.bold else f"{text}{justify}",
            fixedsize="shape",
            margin="0",
            shape="none",
            style="",
            fontsize=f"{label.size:g}",
            fontcolor=palette.PALE if label.pale else palette.INK,
            pos=self._at(x, label.at[1] - 0.35 * label.size, shift),
            width=f"{wide / 72:.3f}",
            height=f"{label.size / 72:.3f}",
            tooltip=" ",
        )

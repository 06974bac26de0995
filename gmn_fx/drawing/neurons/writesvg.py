"""A scene as SVG that stands alone: light colours as attributes, dark ones in its style sheet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gmn_fx.drawing import palette
from gmn_fx.drawing.neurons.marks import draw_mark
from gmn_fx.drawing.neurons.parts import Bunch, Label, Line, Mark, Outline, Scene, Tile
from gmn_fx.drawing.neurons.strokes import CLASSES
from gmn_fx.drawing.stylesheet import ROOT, stylesheet
from gmn_fx.drawing.text import escape

_HEAD = palette.NODES["product"].stroke
_COLOURS = {**palette.SIGNS, **palette.EDGES}


def write_svg(scene: Scene) -> str:
    """SVG text of a scene."""
    wide, high = f"{scene.width:.0f}", f"{scene.height:.0f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{ROOT}" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" role="img" font-family="{palette.FONT}" '
        'style="max-width:100%;height:auto">',
        f"<title>{escape(scene.title)}</title>",
        f"<desc>{escape(scene.description)}</desc>",
        f"<style>{stylesheet()}</style>",
        f'<rect class="paper" width="{wide}" height="{high}" fill="{palette.LIGHT.paper}"/>',
        *(_text(label) for label in scene.header),
        f'<g transform="translate({scene.left:.1f} {scene.top:.1f})">',
        *_body(scene),
        "</g>",
        '<g class="legend" stroke-width="1.1">',
        *(_key_part(part) for part in scene.key),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _body(scene: Scene) -> Iterator[str]:
    yield '<g class="outlines" stroke-width="0.8">'
    yield from (_outline(o) for o in scene.outlines)
    yield '</g>\n<g class="edges" fill="none">'
    for bunch in scene.bunches:
        yield from _strokes(bunch)
    yield '</g>\n<g class="tiles">'
    yield from (_tile(t) for t in scene.tiles)
    yield '</g>\n<g class="nodes" stroke-width="1.1">'
    yield from (_mark(m) for m in scene.marks)
    # A rim in the colour of the paper keeps text readable where strokes cross it.
    yield (
        f'</g>\n<g class="labels" stroke="{palette.LIGHT.paper}" stroke-width="2.5" '
        'stroke-linejoin="round" paint-order="stroke">'
    )
    yield from (_text(label) for label in scene.labels)
    yield "</g>"


def _outline(outline: Outline) -> str:
    x, y, wide, high = outline.box
    light = palette.LIGHT
    look = (
        f'class="head" fill="none" stroke="{_HEAD}" stroke-dasharray="2 2"'
        if outline.head
        else f'class="frame" fill="{light.frame}" stroke="{light.frame_line}"'
    )
    title = f"<title>{escape_lines(outline.about)}</title>" if outline.about else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" '
        f'rx="{min(6.0, 0.25 * wide):g}" {look}>{title}</rect>'
    )


def _strokes(bunch: Bunch) -> Iterator[str]:
    """Strokes of one class and width share an element, and with it their attributes."""
    one = bunch.strokes
    paths = _paths(bunch)
    about = [escape_lines(text) for text in bunch.about()]
    look = np.stack([one.cls, one.level])
    starts = np.flatnonzero(np.concatenate([[True], (look[:, 1:] != look[:, :-1]).any(axis=0)]))
    dash = f' stroke-dasharray="{bunch.dash}"' if bunch.dash else ""
    for first, last in zip(starts, [*starts[1:], len(one)], strict=True):
        name, level = CLASSES[int(one.cls[first])], int(one.level[first])
        special = ' stroke-dasharray="2 2"' if name == "not-finite" else dash
        yield (
            f'<g class="edge {name}" stroke="{_COLOURS[name].color}" '
            f'stroke-width="{bunch.widths[level]:g}" '
            f'stroke-opacity="{bunch.opacities[level]:g}"{special}>'
        )
        for k in range(first, last):
            yield f'<path d="{paths[k]}"><title>{about[k]}</title></path>'
        yield "</g>"


def _paths(bunch: Bunch) -> list[str]:
    last = bunch.points.shape[1] * 2
    curve = "M{:.1f} {:.1f}C" + " ".join(["{:.1f} {:.1f}"] * (last // 2 - 1))
    return [
        f"M{row[0]:.1f} {row[1]:.1f}L{row[-2]:.1f} {row[-1]:.1f}"
        if straight
        else curve.format(*row)
        for row, straight in zip(
            bunch.points.reshape(-1, last).tolist(), bunch.straight.tolist(), strict=True
        )
    ]


def _tile(tile: Tile) -> str:
    x, y = tile.at
    rows = len(tile.cells) // tile.cols
    wide, high = tile.cell * tile.cols, tile.cell * rows
    cells = [
        f'<rect class="cell {name}" x="{x + tile.cell * (k % tile.cols):.1f}" '
        f'y="{y + tile.cell * (k // tile.cols):.1f}" width="{tile.cell:g}" '
        f'height="{tile.cell:g}" fill="{_COLOURS[name].color}" fill-opacity="{strength:g}"/>'
        for k, (name, strength) in enumerate(tile.cells)
        if strength
    ]
    light = palette.LIGHT
    paper = (
        f'<rect class="paper tile" x="{x - 0.5:.1f}" y="{y - 0.5:.1f}" width="{wide + 1:g}" '
        f'height="{high + 1:g}" fill="{light.paper}" stroke="{light.frame_line}" '
        'stroke-width="0.5"/>'
    )
    title = f"<title>{escape_lines(tile.about)}</title>" if tile.about else ""
    return f'<g class="kernel">{title}{paper}{"".join(cells)}</g>'


def _mark(mark: Mark) -> str:
    title = f"<title>{escape_lines(mark.about)}</title>" if mark.about else ""
    drawn = draw_mark(mark.role, mark.at, mark.radius)
    return f'<g class="node {palette.node_class(mark.role)}">{drawn}{title}</g>'


def _text(label: Label) -> str:
    style = palette.LIGHT
    pale = ' class="pale"' if label.pale else ""
    bold = ' font-weight="bold"' if label.bold else ""
    return (
        f'<text x="{label.at[0]:.1f}" y="{label.at[1]:.1f}" text-anchor="{label.anchor}" '
        f'font-size="{label.size:g}" fill="{style.pale if label.pale else style.ink}"{pale}{bold}>'
        f"{escape(label.text)}</text>"
    )


def _key_part(part: Mark | Line | Label | Tile | Outline) -> str:
    if isinstance(part, Mark):
        return _mark(part)
    if isinstance(part, Label):
        return _text(part)
    if isinstance(part, Tile):
        return _tile(part)
    if isinstance(part, Outline):
        return _outline(part)
    dash = f' stroke-dasharray="{part.dash}"' if part.dash else ""
    (x, y), (u, v) = part.start, part.end
    return (
        f'<path class="edge {part.cls}" d="M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" '
        f'stroke="{_COLOURS[part.cls].color}" stroke-width="{part.width:g}"{dash}/>'
    )


def escape_lines(text: str) -> str:
    """XML text that keeps its line breaks."""
    return "\n".join(escape(line) for line in text.split("\n")) if "\n" in text else escape(text)

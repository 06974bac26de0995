"""Header and legend: the title, and what each mark and line on this picture means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gmn_fx.drawing import palette
from gmn_fx.drawing.neurons.measure import text_width
from gmn_fx.drawing.neurons.parts import Label, Line, Mark, Outline, Tile
from gmn_fx.drawing.neurons.strokes import CLASSES, Drawn
from gmn_fx.drawing.text import value
from gmn_fx.graph.model import ParameterGraph

ROW = 18.0
Part = Mark | Line | Label | Tile | Outline


def header(title: str, notes: Sequence[str], width: float) -> list[Label]:
    """Title and the lines under it, in the middle of the picture."""
    out = [Label(title, (width / 2, 28.0), size=16.0, bold=True)]
    lines = [line for note in notes for line in _lines(note, width - 20.0)]
    out += [
        Label(line, (width / 2, 46.0 + 13.0 * k), size=10.5, pale=True)
        for k, line in enumerate(lines)
    ]
    return out


def _lines(text: str, room: float) -> list[str]:
    """`text` broken into lines that fit."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, 10.5) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def entries(
    graph: ParameterGraph,
    drawn: Drawn,
    marks: Sequence[Mark],
    tiles: Sequence[Tile],
    outlines: Sequence[Outline],
    room: float,
) -> tuple[list[Part], int]:
    """The legend from (0, 0) on, and its number of rows: what is on this picture, nothing else."""
    items = [*_nodes(marks), *_signs(drawn), *_plain(graph, drawn)]
    if tiles:
        cells = (("positive", 0.9), ("negative", 0.6), ("positive", 0.3), ("negative", 0.9))
        items.append((Tile((5.0, -6.0), 6.0, 2, cells, ""), "kernel, a cell a position"))
    if any(o.head for o in outlines):
        items.append((Outline((3.0, -7.0, 16.0, 14.0), "", True), "attention head"))
    out: list[Part] = []
    row, x = 0, 0.0
    for part, text in items:
        wide = text_width(text, 8.5) + 38
        if x and x + wide > room:
            row, x = row + 1, 0.0
        out += moved([part, Label(text, (24.0, 3.5), "start", 10.0)], x, row * ROW)
        x += wide
    return out, row + 1 if items else 0


def _nodes(marks: Sequence[Mark]) -> list[tuple[Part, str]]:
    roles = {m.role for m in marks}
    order = [*palette.NODES, *sorted(roles - palette.NODES.keys())]
    return [(Mark(-1, r, (11.0, 0.0), 5.5), palette.WORDS.get(r, r)) for r in order if r in roles]


def _signs(drawn: Drawn) -> list[tuple[Part, str]]:
    found = {CLASSES[c] for s in drawn.strokes if s.values is not None for c in set(s.cls.tolist())}
    top = value(drawn.reference)
    words = {
        "positive": f"positive (full width: {top} or more)",
        "negative": "negative",
        "not-finite": "nan or inf",
    }
    return [(_line(k, 2.4, palette.SIGNS[k].dash), words[k]) for k in palette.SIGNS if k in found]


def _plain(graph: ParameterGraph, drawn: Drawn) -> list[tuple[Part, str]]:
    plain = [s for s in drawn.strokes if s.values is None and len(s)]
    found = {CLASSES[int(s.cls[0])] for s in plain}
    out: list[tuple[Part, str]] = [
        (_line(k, 1.2, e.dash), e.label) for k, e in palette.EDGES.items() if k in found
    ]
    trainable = {s.name: s.trainable for s in graph.slots}
    valued = [
        graph.bundles[s.bundle].slot for s in drawn.strokes if s.values is not None and len(s)
    ]
    if not all(trainable.get(name or "", True) for name in valued):
        out.append((_line("parameter", 1.4, "6 2"), "not trainable"))
    return out


def _line(cls: str, width: float, dash: str) -> Line:
    return Line((1.0, 0.0), (20.0, 0.0), cls, width, dash)


def moved(parts: Sequence[Part], dx: float, dy: float) -> list[Part]:
    """The parts, shifted."""
    out: list[Part] = []
    for part in parts:
        if isinstance(part, Line):
            (a, b), (c, d) = part.start, part.end
            out.append(replace(part, start=(a + dx, b + dy), end=(c + dx, d + dy)))
        elif isinstance(part, Outline):
            x, y, wide, high = part.box
            out.append(replace(part, box=(x + dx, y + dy, wide, high)))
        else:
            out.append(replace(part, at=(part.at[0] + dx, part.at[1] + dy)))
    return out

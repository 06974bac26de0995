"""The text form of a parameter graph: it prints, people read it, and it parses back.

One line for each slot, group and bundle; values are not part of it. Groups are numbered when
printed. Example::

    graph 1 "mlp"
    established collapse-weight-sharing
    history 1 = "relu"
    slot "fc1.weight" float32 [3, 2]
    %0 = input/input [2] label=(:) pin=0
    %1 = neuron/linear [3] depth=1 name="fc1" source="mlp.py:4"
    weight/linear [3, 2] "fc1.weight"(:, :) %0(_, :) -> %1(:, _) depth=1 name="fc1"

A map is `base(axes)`. `base` is `%3`, the first node of a group, or `%3+5`, or a number (which may
be left out when it is 0); the view of a slot follows its name, `"fc1.weight"+2(:)`. `axes` has an
entry for each axis: `_` nothing varies, `:` row-major among the axes that vary, `*7` a stride.
`base@{...}(axes)` looks up a table: `0..5` is a run, `0..9/3` a run by steps, `6x4` four sixes;
`@big` marks a table of 64-bit entries. Without axes the map is one number; `base(axes)[shape]`
gives its shape where that is not the shape of the bundle. Strings are JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from gmn_fx.graph.indexmap import IndexMap, dense_strides
from gmn_fx.graph.model import FREE, NO_HISTORY, Bundle, Equality, Group, ParameterGraph, Slot

VERSION = 1
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")


def to_text(graph: ParameterGraph, *, source: bool = True) -> str:
    """Print `graph`. source=False leaves out source lines (they move when files are edited)."""
    return "\n".join(_lines(graph, source)) + "\n"


def _lines(graph: ParameterGraph, source: bool) -> Iterator[str]:
    yield from _head(graph)
    offset = 0
    for slot in graph.slots:
        yield _slot(slot, offset)
        offset = slot.offset + slot.numel
    for name, count in graph.unread:
        yield f"unread {quote(name)} {count}"
    start = 0
    for number, group in enumerate(graph.groups):
        yield _group(number, group, start, source)
        start = group.start + group.size
    printer = MapPrinter(graph.groups)
    for bundle in graph.bundles:
        yield _bundle(bundle, printer)
    for equality in graph.equalities:
        yield _equality(equality, printer)


def _head(graph: ParameterGraph) -> Iterator[str]:
    yield f"graph {VERSION} {quote(graph.name)}"
    for key in sorted(graph.meta):
        yield f"meta {quote(key)} = {quote(graph.meta[key])}"
    for note in graph.notes:
        yield f"note {quote(note)}"
    for word in sorted(graph.established):
        yield f"established {word_or_quote(word)}"
    for number, history in enumerate(graph.histories):
        if number or history:
            yield f"history {number} = {quote(history)}"


def quote(text: str) -> str:
    """A JSON string: one line, ASCII, whatever `text` holds."""
    return json.dumps(text)


def word_or_quote(text: str) -> str:
    """Plain where that cannot be misread."""
    return text if WORD.match(text) else quote(text)


def dims(shape: tuple[int, ...]) -> str:
    """`[3, 2]`."""
    return f"[{', '.join(str(n) for n in shape)}]"


def _fields(**fields: str) -> str:
    return "".join(f" {key}={text}" for key, text in fields.items() if text)


def _slot(slot: Slot, offset: int) -> str:
    line = f"slot {quote(slot.name)} {str(slot.dtype).removeprefix('torch.')} {dims(slot.shape)}"
    line += "" if slot.trainable else " frozen"
    line += "" if slot.used else " unused"
    return line + _fields(
        offset=str(slot.offset) if slot.offset != offset else "",
        aliases=f"[{', '.join(map(quote, slot.aliases))}]" if slot.aliases else "",
        reason=quote(slot.reason) if slot.reason else "",
    )


def _group(number: int, group: Group, start: int, source: bool) -> str:
    plain = MapPrinter(())
    kind = f"{word_or_quote(group.kind)}/{word_or_quote(group.op)}"
    return f"%{number} = {kind} [{group.size}]" + _fields(
        start=str(group.start) if group.start != start else "",
        depth=str(group.depth) if group.depth != -1 else "",
        label="" if group.label == FREE else plain.show(group.label, (group.size,)),
        pin="" if group.pin == FREE else plain.show(group.pin, (group.size,)),
        name=quote(group.name) if group.name else "",
        source=quote(group.source) if group.source and source else "",
    )


def _bundle(bundle: Bundle, nodes: MapPrinter) -> str:
    plain = MapPrinter(())
    line = f"{word_or_quote(bundle.kind)}/{word_or_quote(bundle.op)} {dims(bundle.shape)} "
    if bundle.slot is not None:
        view = "" if bundle.view is None else plain.show(bundle.view, bundle.shape)
        plus = "" if view[:1] in ("", "(", "@") else "+"
        line += f"{quote(bundle.slot)}{plus}{view} "
    line += f"{nodes.show(bundle.src, bundle.shape)} -> {nodes.show(bundle.dst, bundle.shape)}"
    line += " tied" if bundle.tied else ""
    return line + _fields(
        label="" if bundle.label == FREE else plain.show(bundle.label, bundle.shape),
        operand=str(bundle.operand) if bundle.operand != -1 else "",
        history="" if bundle.history == NO_HISTORY else plain.show(bundle.history, bundle.shape),
        depth=str(bundle.depth) if bundle.depth != -1 else "",
        name=quote(bundle.name) if bundle.name else "",
    )


def _equality(equality: Equality, nodes: MapPrinter) -> str:
    shape = equality.left.shape
    line = f"equal {dims(shape)} {nodes.show(equality.left, shape)}"
    line += f" == {nodes.show(equality.right, shape)}"
    return line + _fields(why=quote(equality.why) if equality.why else "")


class MapPrinter:
    """Prints maps; node ids are shown relative to the group they lie in."""

    def __init__(self, groups: tuple[Group, ...]) -> None:
        self._groups = groups
        self._starts = np.array([g.start for g in groups], dtype=np.int64)

    def show(self, m: IndexMap, shape: tuple[int, ...]) -> str:
        """`m`, which belongs to something of `shape`."""
        if m.table is None:
            text = self._base(m)
        else:
            text = f"{m.offset or ''}@{'big' if m.table.dtype == np.int64 else ''}"
            text += f"{{{', '.join(_runs(m.table))}}}"
        if m.shape:
            text += f"({', '.join(_axes(m))})"
        return text + (dims(m.shape) if m.shape and m.shape != shape else "")

    def _base(self, m: IndexMap) -> str:
        number = self._owner(m)
        if number is None:
            return str(m.offset) if m.offset or self._groups or not m.shape else ""
        rest = m.offset - self._groups[number].start
        return f"%{number}" + (f"+{rest}" if rest else "")

    def _owner(self, m: IndexMap) -> int | None:
        """The group of the first node that the map names."""
        number = int(np.searchsorted(self._starts, m.offset, side="right")) - 1
        return number if number >= 0 else None


def _axes(m: IndexMap) -> Iterator[str]:
    varying = tuple(n if s else 1 for n, s in zip(m.shape, m.strides, strict=True))
    for n, s, row_major in zip(m.shape, m.strides, dense_strides(varying), strict=True):
        if s == 0 or n == 1:
            yield "_"
        else:
            yield ":" if s == row_major else f"*{s}"


def _runs(table: np.ndarray) -> Iterator[str]:
    """Maximal runs of equal steps; a run shorter than three is written out."""
    values = table.tolist()
    at = 0
    while at < len(values):
        end = at + 1
        step = values[end] - values[at] if end < len(values) else 0
        while end < len(values) and values[end] - values[end - 1] == step:
            end += 1
        if end - at < 3:
            end = at + 1
            yield str(values[at])
        elif step == 0:
            yield f"{values[at]}x{end - at}"
        else:
            yield f"{values[at]}..{values[end - 1]}" + (f"/{step}" if step != 1 else "")
        at = end


def parse(text: str) -> ParameterGraph:
    """The graph that `to_text` printed; TextError with the line where it does not parse."""
    from gmn_fx.graph.textparser import parse_graph

    return parse_graph(text)

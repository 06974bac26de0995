"""What the explorer knows of a graph, as JSON: groups, links between them, and single edges."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing import palette
from gmn_fx.drawing.explorer.embedded import Embedded, embedded_edges
from gmn_fx.drawing.explorer.numbers import value_numbers
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons.limits import facts
from gmn_fx.drawing.roles import input_title, role_of
from gmn_fx.drawing.text import TOOLTIP_LIMIT, clean
from gmn_fx.graph.model import Group, ParameterGraph

Array = npt.NDArray[np.int64]

# Of a group with more neurons than this, so many at each end can be shown; between is an ellipsis.
WIDEST, ENDS = 2000, 128
# The page reads these types; the last holds whole numbers up to 2**53.
_TYPES = (("u1", 1 << 8), ("u2", 1 << 16), ("u4", 1 << 32), ("f8", 1 << 53))


def explorer_data(graph: ParameterGraph, orbits: Array | None, max_edges: int) -> dict[str, Any]:
    """The data of the page; every string is cleaned and limited.

    Args:
        graph: the graph.
        orbits: [nodes], equal numbers for neurons that may be exchanged; None if not known.
        max_edges: single edges in the file; of larger graphs the strongest of each bundle.
    """
    found = embedded_edges(graph, value_numbers(graph), can_be_shown(graph), max_edges)
    notes = _notes(graph, found, orbits is not None)
    known = None if orbits is None else pack(_compact(orbits))
    return graph_data(graph, found, notes) | {"orbits": known}


def graph_data(
    graph: ParameterGraph, found: Sequence[Embedded], notes: Sequence[str]
) -> dict[str, Any]:
    """What every page has: structure, the edges that were `found` for it, remarks, colours."""
    slots = {s.name: k for k, s in enumerate(graph.slots)}
    return {
        "title": text(graph.name or "network"),
        "facts": facts(graph),
        "notes": list(notes),
        "ends": ENDS,
        "widest": WIDEST,
        "groups": [
            {
                "kind": g.kind, "role": palette.node_class(role_of(g)), "op": text(g.op),
                "name": text(_name(graph, g)), "start": g.start, "size": g.size, "depth": g.depth,
                "source": text(g.source), "pinned": g.label.bounds()[1] >= 0,
            }
            for g in graph.groups
        ],
        "slots": [
            {"name": text(s.name), "shape": list(s.shape), "trainable": s.trainable}
            for s in graph.slots
        ],
        "histories": [text(h) for h in graph.histories],
        "bundles": [
            {
                "kind": b.kind, "op": text(b.op), "slot": slots.get(b.slot or "", -1),
                "total": math.prod(b.shape), "operand": b.operand,
            }
            for b in graph.bundles
        ],
        "links": [[e.src, e.dst, e.bundle, e.edges, e.parameters] for e in links_of(graph)],
        "edges": _edges(found),
        "valued": any(e.values is not None for e in found),
        "embedded": sum(len(e.edges) for e in found),
        "nodes": graph.num_nodes,
        "orbits": None,
        "palette": _palette(),
    }  # fmt: skip


def _name(graph: ParameterGraph, group: Group) -> str:
    return input_title(graph, group) if group.kind == "input" else group.name


def can_be_shown(graph: ParameterGraph) -> npt.NDArray[np.bool_]:
    """[nodes], False between the ends of wide groups."""
    out = np.zeros(graph.num_nodes, dtype=bool)
    for group in graph.groups:
        out[group.start : group.start + group.size] = True
        if group.size > WIDEST:
            out[group.start + ENDS : group.start + group.size - ENDS] = False
    return out


def _compact(orbits: npt.NDArray[np.integer]) -> Array:
    """The same partition in small numbers."""
    return np.unique(orbits, return_inverse=True)[1].reshape(-1).astype(np.int64)


def text(text: str) -> str:
    """`text` as it may stand in a page."""
    return clean(text[:TOOLTIP_LIMIT])


def _notes(graph: ParameterGraph, found: Sequence[Embedded], known: bool) -> list[str]:
    which = "the strongest of each bundle" if graph.values else "all of the small bundles"
    arrows = "no values: a bundle that is too large for this file is one arrow"
    out = left_out(graph, found, which, arrows)
    if not known:
        out.append("orbits (which neurons may be exchanged) were not computed")
    return out


def left_out(
    graph: ParameterGraph, found: Sequence[Embedded], which: str, arrows: str
) -> list[str]:
    """Remarks on what the page lacks: `which` edges it has, why some bundles are `arrows`."""
    embedded, total = sum(len(e.edges) for e in found), graph.num_edges
    out = []
    if embedded < total:
        out.append(f"{embedded:,} of {total:,} edges are in this file: {which}")
        if any(e.arrow for e in found):
            out.append(arrows)
    if any(g.size > WIDEST for g in graph.groups):
        out.append(f"groups of more than {WIDEST:,} nodes show the first and last {ENDS}")
    return out


def _edges(found: Sequence[Embedded]) -> dict[str, Any]:
    """Columns of all edges, bundle after bundle; `count` edges of each. NaN: no value."""
    columns: dict[str, Any] = {
        name: pack(_joined([getattr(e.edges, name) for e in found]))
        for name in ("src", "dst", "history")
    }
    # Edges without parameters have no element, and nothing asks for it.
    columns["element"] = pack(np.maximum(_joined([e.edges.element for e in found]), 0))
    numbers = [
        np.full(len(e.edges), np.nan, dtype=np.float32) if e.values is None else e.values
        for e in found
    ]
    columns["value"] = pack_numbers(numbers)
    columns["count"] = [len(e.edges) for e in found]
    columns["valued"] = [e.values is not None for e in found]
    return columns


def pack_numbers(columns: Sequence[npt.NDArray[np.float32]]) -> list[str]:
    """Numbers of all bundles as [type, base64]."""
    return _packed("f4", np.concatenate([np.zeros(0, dtype=np.float32), *columns]))


def _joined(columns: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0, dtype=np.int64), *columns])


def pack(numbers: npt.NDArray[np.integer]) -> list[str]:
    """Whole numbers from 0 as [type, base64], in the smallest type that holds them."""
    most = int(numbers.max(initial=0))
    return _packed(next(name for name, limit in _TYPES if most < limit), numbers)


def _packed(type: str, numbers: npt.NDArray[Any]) -> list[str]:
    """Little-endian bytes in base64; JavaScript reads them without parsing."""
    return [type, base64.b64encode(numbers.astype(f"<{type}").tobytes()).decode()]


def _palette() -> dict[str, Any]:
    themes = {"light": palette.LIGHT, "dark": palette.DARK}
    return {
        name: {
            "paper": theme.paper, "ink": theme.ink, "pale": theme.pale, "frame": theme.frame,
            "line": theme.frame_line,
            "nodes": {
                k: [s.fill, s.stroke] if name == "light" else [s.dark_fill, s.dark_stroke]
                for k, s in palette.NODES.items()
            },
            "edges": {
                k: s.color if name == "light" else s.dark
                for k, s in {**palette.EDGES, **palette.SIGNS}.items()
            },
        }
        for name, theme in themes.items()
    } | {"marks": {k: s.mark for k, s in palette.NODES.items()},
         "words": palette.WORDS}  # fmt: skip

"""What the explorer knows of a graph, as JSON: groups, links between them, and single edges."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing import palette
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons.limits import facts
from gmn_fx.drawing.neurons.selection import Edges, edges_between
from gmn_fx.drawing.neurons.shown import ends_shown
from gmn_fx.drawing.neurons.strokes import values_of
from gmn_fx.drawing.roles import role_of
from gmn_fx.drawing.text import TOOLTIP_LIMIT, clean
from gmn_fx.graph.model import ParameterGraph

Array = npt.NDArray[np.int64]

# Neurons at each end of a wide group that can be shown; those between are an ellipsis.
ENDS = 128


def explorer_data(graph: ParameterGraph, orbits: Array | None, max_edges: int) -> dict[str, Any]:
    """The data of the page; every string is cleaned and limited.

    Args:
        graph: the graph.
        orbits: [nodes], equal numbers for neurons that may be exchanged; None if not known.
        max_edges: single edges in the file; of larger graphs the strongest of each bundle.
    """
    shown = ends_shown(graph, ends=ENDS)
    slots = {s.name: k for k, s in enumerate(graph.slots)}
    found = [edges_between(b, shown.mask) for b in graph.bundles]
    kept, values = _kept(graph, found, max_edges)
    embedded = sum(len(k) for k in kept)
    return {
        "title": _text(graph.name or "network"),
        "facts": facts(graph),
        "notes": _notes(graph, embedded, orbits),
        "ends": ENDS,
        "groups": [
            {
                "kind": g.kind, "role": palette.node_class(role_of(g)), "op": _text(g.op),
                "name": _text(g.name), "start": g.start, "size": g.size, "depth": g.depth,
                "source": _text(g.source), "pinned": g.label.bounds()[1] >= 0,
            }
            for g in graph.groups
        ],
        "slots": [
            {"name": _text(s.name), "shape": list(s.shape), "trainable": s.trainable}
            for s in graph.slots
        ],
        "histories": [_text(h) for h in graph.histories],
        "bundles": [
            {
                "kind": b.kind, "op": _text(b.op), "slot": slots.get(b.slot or "", -1),
                "total": math.prod(b.shape), "operand": b.operand,
            }
            for b in graph.bundles
        ],
        "links": [[e.src, e.dst, e.bundle, e.edges, e.parameters] for e in links_of(graph)],
        "edges": _edges(found, kept, values),
        "valued": any(v is not None for v in values),
        "embedded": embedded,
        "nodes": graph.num_nodes,
        "orbits": None if orbits is None else _packed(orbits, np.int32),
        "palette": _palette(),
    }  # fmt: skip


def _text(text: str) -> str:
    return clean(text[:TOOLTIP_LIMIT])


def _notes(graph: ParameterGraph, embedded: int, orbits: Array | None) -> list[str]:
    total = sum(math.prod(b.shape) for b in graph.bundles)
    out = []
    if embedded < total:
        which = "the strongest" if graph.values else "some"
        out.append(
            f"{embedded:,} of {total:,} edges are in this file: {which} of each bundle, between "
            f"the first and last {ENDS} neurons of wide groups"
        )
    if orbits is None:
        out.append("orbits were not computed: the graph is too large")
    return out


def _kept(
    graph: ParameterGraph, found: Sequence[Edges], max_edges: int
) -> tuple[list[Array], list[npt.NDArray[np.float32] | None]]:
    """Which of the found edges go into the file, and their values (real parts of complex ones)."""
    quota = _quota([len(e) for e in found], max_edges)
    kept, values = [], []
    for bundle, edges in zip(graph.bundles, found, strict=True):
        numbers = values_of(graph, bundle, edges.element)
        keep = np.arange(len(edges))
        if len(edges) > quota:
            if numbers is None:
                keep = np.linspace(0, len(edges) - 1, quota).astype(np.int64)
            else:
                size = np.abs(numbers)
                size = np.where(np.isfinite(size), size, np.inf)
                keep = np.sort(np.argsort(-size, kind="stable")[:quota])
        kept.append(keep)
        values.append(None if numbers is None else numbers.real[keep].astype(np.float32))
    return kept, values


def _quota(sizes: Sequence[int], most: int) -> int:
    """The largest number so that bundles cut to it have at most `most` edges together."""
    left = most
    for k, size in enumerate(ordered := sorted(sizes)):
        share = left // (len(ordered) - k)
        if size > share:
            return max(1, share)
        left -= size
    return max(sizes, default=0)


def _edges(
    found: Sequence[Edges], kept: Sequence[Array], values: Sequence[npt.NDArray[np.float32] | None]
) -> dict[str, Any]:
    """Columns of all edges, bundle after bundle; `count` edges of each. NaN: no value."""
    none = np.zeros(0, dtype=np.float32)
    numbers = [
        np.full(len(k), np.nan, dtype=np.float32) if v is None else v
        for k, v in zip(kept, values, strict=True)
    ]
    columns: dict[str, Any] = {
        name: _packed(
            np.concatenate(
                [getattr(e, name)[k] for e, k in zip(found, kept, strict=True)]
                or [np.zeros(0, dtype=np.int64)]
            ),
            np.int32,
        )
        for name in ("src", "dst", "element", "history")
    }
    columns["value"] = _packed(np.concatenate(numbers or [none]), np.float32)
    columns["count"] = [len(k) for k in kept]
    columns["valued"] = [v is not None for v in values]
    return columns


def _packed(array: npt.NDArray[Any], dtype: type[np.generic]) -> str:
    """Little-endian bytes in base64; JavaScript reads them without parsing."""
    wide = np.dtype(dtype).newbyteorder("<")
    return base64.b64encode(np.ascontiguousarray(array, dtype=wide).tobytes()).decode()


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

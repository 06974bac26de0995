"""Which single edges go into a page: all of them, or the strongest of each bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gmn_fx.drawing.neurons.selection import Edges, edges_between
from gmn_fx.drawing.neurons.strokes import values_of
from gmn_fx.graph.indexmap import IndexMap, dense_strides
from gmn_fx.graph.model import Bundle, ParameterGraph

Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Parameters whose magnitudes are compared at a time: bounds the memory beside the model.
BLOCK = 1 << 22


@dataclass(frozen=True)
class Embedded:
    """Edges of one bundle that go into the page.

    values: a number each, None without values. arrow: there are more edges than room and no
    values to choose by, so the bundle is only an arrow.
    """

    edges: Edges
    values: npt.NDArray[np.float32] | None
    arrow: bool = False


def embedded_edges(graph: ParameterGraph, mask: Mask, max_edges: int) -> list[Embedded]:
    """For each bundle the edges to put in, at most `max_edges` in all.

    Where there are more, bundles get equal shares of the room, and the strongest edges take them.
    A bundle that does not fit and has no values gives its share to the others.

    Args:
        graph: the graph.
        mask: [nodes], which neurons can be shown; edges between others are left out.
        max_edges: room for edges.
    """
    picks = [_Pick(graph, bundle, mask) for bundle in graph.bundles]
    sizes = [pick.size for pick in picks]
    rooms = _shares(sizes, max_edges)
    lost = [p.size > r and not p.valued for p, r in zip(picks, rooms, strict=True)]
    rooms = _shares([0 if out else n for out, n in zip(lost, sizes, strict=True)], max_edges)
    return [p.take(room, out) for p, room, out in zip(picks, rooms, lost, strict=True)]


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Equal shares of `room`; what small sizes leave over goes to the larger ones."""
    out = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda k: (sizes[k], k))
    for rank, k in enumerate(order):
        out[k] = min(sizes[k], room // (len(order) - rank))
        room -= out[k]
    return out


class _Pick:
    """The edges of one bundle that may go in."""

    def __init__(self, graph: ParameterGraph, bundle: Bundle, mask: Mask) -> None:
        self.graph = graph
        self.bundle = bundle
        self.mask = mask
        tensor = graph.values.get(bundle.slot or "")
        self.valued = tensor is not None and bundle.view is not None and not tensor.is_meta
        # All edges are candidates of most bundles; those are never listed.
        self.listed = None if _all_shown(bundle, mask) else edges_between(bundle, mask)
        self.size = math.prod(bundle.shape) if self.listed is None else len(self.listed)

    def take(self, room: int, arrow: bool) -> Embedded:
        """The `room` strongest edges, in the order of the bundle."""
        if arrow or not room:
            none = np.zeros(0, dtype=np.int64)
            empty = np.zeros(0, dtype=np.float32) if self.valued else None
            return Embedded(Edges(none, none, none, none), empty, arrow)
        if self.listed is not None:
            edges = self.listed
        elif room < self.size:
            edges = _at(self.bundle, self._strongest(room))
        else:
            edges = edges_between(self.bundle, self.mask)
        found = values_of(self.graph, self.bundle, edges.element)
        numbers = None if found is None else found.real.astype(np.float32)
        if len(edges) > room:
            assert found is not None, "without values such a bundle is an arrow"
            keep = np.sort(np.argsort(-_size(np.abs(found)), kind="stable")[:room])
            edges = Edges(*(c[keep] for c in _columns(edges)))
            numbers = found.real[keep].astype(np.float32)
        return Embedded(edges, numbers)

    def _strongest(self, room: int) -> Array:
        """Row-major positions of the strongest edges, ascending; looked at block by block."""
        assert self.bundle.view is not None
        flat = self.graph.values[self.bundle.slot or ""].detach().reshape(-1)
        view = self.bundle.view.expand(self.bundle.shape)
        best, where = np.zeros(0), np.zeros(0, dtype=np.int64)
        for start in range(0, self.size, BLOCK):
            stop = min(self.size, start + BLOCK)
            sizes = _magnitudes(flat, view, start, stop)
            top = torch.topk(sizes, min(room, stop - start), sorted=False)
            best = np.concatenate([best, _size(top.values.numpy())])
            where = np.concatenate([where, top.indices.numpy() + start])
            keep = np.argsort(-best, kind="stable")[:room]
            best, where = best[keep], where[keep]
        return np.sort(where)


def _all_shown(bundle: Bundle, mask: Mask) -> bool:
    """Whether all nodes between the smallest and the largest end are shown."""
    ends = [ids.bounds() for ids in (bundle.src, bundle.dst)]
    return all(low >= 0 and high < len(mask) and mask[low : high + 1].all() for low, high in ends)


def _magnitudes(flat: torch.Tensor, view: IndexMap, start: int, stop: int) -> torch.Tensor:
    if view.table is None and view.strides == dense_strides(view.shape):
        part = flat[view.offset + start : view.offset + stop]
    else:
        places = np.unravel_index(np.arange(start, stop), view.shape)
        part = flat[torch.from_numpy(_along(view, places)).to(flat.device)]
    return part.abs().cpu().float() if part.dtype.is_complex else part.cpu().float().abs()


def _along(index: IndexMap, places: Sequence[Array]) -> Array:
    """`index` at single positions."""
    out = np.full(len(places[0]) if places else 1, index.offset, dtype=np.int64)
    for at, stride in zip(places, index.strides, strict=True):
        out += at * stride
    return out if index.table is None else index.table[out].astype(np.int64)


def _at(bundle: Bundle, positions: Array) -> Edges:
    """The edges at row-major positions."""
    places = np.unravel_index(positions, bundle.shape)

    def column(index: IndexMap | None) -> Array:
        if index is None:
            return np.full(len(positions), -1, dtype=np.int64)
        return _along(index.expand(bundle.shape), places)

    view = bundle.view if bundle.slot is not None else None
    return Edges(*map(column, (bundle.src, bundle.dst, view, bundle.history)))


def _columns(edges: Edges) -> tuple[Array, Array, Array, Array]:
    return edges.src, edges.dst, edges.element, edges.history


def _size(sizes: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """What is not a number counts as the strongest: nobody should miss it."""
    return np.where(np.isfinite(sizes), sizes, np.inf)

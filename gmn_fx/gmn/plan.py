"""An architecture as blocks: what the dense and the streaming executor loop over.

Every bundle becomes blocks of edges on four axes `[P, D, S, R]`: along P both ends vary, along D
only the destination, along S only the source, along R (kernel offsets, positions) neither. A dense
layer is `[1, O, I, 1]`, a convolution `[1, O, I, k * k]`, grouped `[G, O/G, I/G, k * k]`, a norm
or a residual `[C, 1, 1, 1]`, an irregular bundle `[E, 1, 1, 1]`. Node features then are added by
broadcasting and messages summed over axes: no edge index. Blocks are cut so that one, times the
width of the metanet, fits into the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmn_fx.errors import UnsupportedTensorError
from gmn_fx.graph.arrays import node_table
from gmn_fx.graph.coverage import spans
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph
from gmn_fx.graph.schema import edge_kind_id, stable_id

Shape = tuple[int, int, int, int]
Cut = tuple[slice, slice, slice, slice]


@dataclass(frozen=True)
class Ids:
    """Node ids of one side of a block, [rows, columns] row-major: a range, or int64 `ids`."""

    ids: Tensor | None
    span: tuple[int, int]

    @staticmethod
    def of(array: np.ndarray) -> Ids:
        """From an integer array of any shape."""
        flat = np.ascontiguousarray(array.reshape(-1), dtype=np.int64)
        n = len(flat)
        one = n > 0 and int(flat[-1]) - int(flat[0]) == n - 1 and bool((np.diff(flat) == 1).all())
        if one:
            return Ids(None, (int(flat[0]), int(flat[0]) + n))
        return Ids(torch.from_numpy(flat), (0, n))

    def index(self, device: torch.device) -> Tensor:
        """int64 [n]."""
        return torch.arange(*self.span, device=device) if self.ids is None else self.ids

    def on(
        self, table: Tensor, low: int, high: int, shape: Sequence[int], steps: Sequence[int]
    ) -> Tensor:
        """Rows of the graphs low .. high - 1 of `table` [B or 1, N, H]: a view [B, *shape, H].

        steps: by how many ids one goes on along each axis of `shape`.
        """
        one = table.shape[0] == 1
        if self.ids is not None:
            table = (table if one else table[low:high]).index_select(1, self.ids)
        of_graph, of_node, of_unit = table.stride()
        start = table.storage_offset()
        if self.ids is None:
            start += self.span[0] * of_node + (0 if one else low * of_graph)
        strides = (0 if one else of_graph, *(k * of_node for k in steps), of_unit)
        return table.as_strided((high - low, *shape, table.shape[-1]), strides, start)

    def add(self, table: Tensor, low: int, high: int, rows: Tensor) -> None:
        """Add `rows` [B, n, H] into the graphs low .. high - 1 of `table` [B or 1, N, H]."""
        if table.shape[0] == 1:
            low, high = 0, 1
        if self.ids is None:
            table[low:high, self.span[0] : self.span[1]].add_(rows)
        else:
            table[low:high].index_add_(1, self.ids, rows)

    def to(self, device: torch.device) -> Ids:
        """On a device."""
        return self if self.ids is None else Ids(self.ids.to(device), self.span)


@dataclass(frozen=True)
class Reading:
    """Where the values of a block are in their slot: strides, or an index for each edge."""

    slot: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    index: Tensor | None
    injective: bool

    def get(self, values: tuple[Tensor, ...], low: int, high: int) -> Tensor:
        """[B, edges] of rows low..high of the batch."""
        flat = values[self.slot][low:high]
        if self.index is not None:
            return flat.index_select(1, self.index).reshape(high - low, *self.shape)
        step = flat.stride(0)
        start = flat.storage_offset() + self.offset * flat.stride(1)
        strides = [s * flat.stride(1) for s in self.strides]
        return flat.as_strided((high - low, *self.shape), (step, *strides), start)

    def add(self, grads: tuple[Tensor, ...], low: int, high: int, g: Tensor) -> None:
        """Add `g` [B, edges] to the gradients of the slot."""
        if self.injective:
            self.get(grads, low, high).add_(g.reshape(high - low, *self.shape))
        else:
            grads[self.slot][low:high].index_add_(
                1, self.elements(g.device), g.reshape(high - low, -1)
            )

    def elements(self, device: torch.device) -> Tensor:
        """int64 [edges]: the element of the slot that each edge carries."""
        if self.index is not None:
            return self.index
        m = IndexMap(self.shape, self.offset, self.strides)
        return torch.from_numpy(np.array(m.array()).reshape(-1)).to(device)


@dataclass(frozen=True)
class Block:
    """Edges first .. first + size - 1 of the plan, on the axes [P, D, S, R].

    kinds: rows of the plan's table of edge types, [P or 1, D or 1, S or 1, R or 1].
    reading: the values; None on parameter-free edges.
    bundle, cut: which bundle of the graph, and which part of it on the four axes.
    """

    first: int
    shape: Shape
    dst: Ids
    src: Ids
    kinds: Tensor
    reading: Reading | None
    bundle: int
    cut: Cut

    @property
    def size(self) -> int:
        """Number of edges."""
        return math.prod(self.shape)

    def to(self, device: torch.device) -> Block:
        """On a device."""
        reading = self.reading
        if reading is not None and reading.index is not None:
            reading = replace(reading, index=reading.index.to(device))
        kinds = self.kinds.to(device)
        dst, src = self.dst.to(device), self.src.to(device)
        return replace(self, dst=dst, src=src, kinds=kinds, reading=reading)


@dataclass(frozen=True)
class Plan:
    """One architecture, ready to be swept.

    slots: names of the slots on edges, by first use (equal for graphs of equal signature up to the
    names). node_types: int64 [N, node columns]. edge_types: int64 [T, edge columns], distinct.
    fan_in, fan_out: int64 [N], edges that end and begin at each node.
    """

    slots: tuple[str, ...]
    num_nodes: int
    num_edges: int
    node_types: Tensor
    edge_types: Tensor
    fan_in: Tensor
    fan_out: Tensor
    blocks: tuple[Block, ...] = field(repr=False)

    def to_slots(self, edges: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
        """Values of edges [B, E] as one tensor [B, numel] a slot: the mean where there are several.

        sizes: number of elements of each slot.
        """
        batch = edges.shape[0]
        totals = [edges.new_zeros(batch, n) for n in sizes]
        counts = [edges.new_zeros(n) for n in sizes]
        for block in self.blocks:
            if block.reading is None:
                continue
            slot = block.reading.slot
            at = block.reading.elements(edges.device)
            part = edges[:, block.first : block.first + block.size]
            totals[slot] = totals[slot].index_add(1, at, part)
            counts[slot].index_add_(0, at, torch.ones_like(part[0]))
        return tuple(t / c.clamp(min=1) for t, c in zip(totals, counts, strict=True))

    def to(self, device: torch.device) -> Plan:
        """On a device."""
        if device.type == "cpu":
            return self
        tables = ("node_types", "edge_types", "fan_in", "fan_out")
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in tables}
        return replace(self, blocks=tuple(b.to(device) for b in self.blocks), **moved)


def slot_order(graph: ParameterGraph) -> tuple[str, ...]:
    """Names of the slots that lie on edges, by first use."""
    return tuple(dict.fromkeys(b.slot for b in graph.bundles if b.slot is not None))


def plan_of(graph: ParameterGraph, *, limit: int) -> Plan:
    """The plan of an architecture, with at most about `limit` edges a block."""
    slots = slot_order(graph)
    dtypes = {s.name: s.dtype for s in graph.slots}
    for name in slots:
        if dtypes[name].is_complex:
            raise UnsupportedTensorError(
                f"{name!r} is complex: the features of a metanet are real",
                hint="store its real and imaginary part as two parameters (torch.view_as_real)",
            )
    types = _Types(graph)
    number = {name: i for i, name in enumerate(slots)}
    blocks: list[Block] = []
    first = 0
    for i, bundle in enumerate(graph.bundles):
        for block in _blocks(bundle, i, number, types, limit, first):
            blocks.append(block)
            first += block.size
    fan_in, fan_out = (torch.zeros(graph.num_nodes, dtype=torch.int64) for _ in range(2))
    here = torch.device("cpu")
    for block in blocks:
        _, d, s, r = block.shape
        for ids, count, total in ((block.dst, s * r, fan_in), (block.src, d * r, fan_out)):
            at = ids.index(here)
            total.index_add_(0, at, torch.full_like(at, count))
    return Plan(
        slots, graph.num_nodes, first, torch.from_numpy(node_table(graph)), types.table(),
        fan_in, fan_out, tuple(blocks),
    )  # fmt: skip


class _Types:
    """Numbers the distinct rows of the edge columns."""

    def __init__(self, graph: ParameterGraph) -> None:
        self.histories = np.array([stable_id(t) for t in graph.histories], dtype=np.int64)
        self.known: dict[tuple[int, ...], int] = {}

    def rows(self, bundle: Bundle) -> np.ndarray:
        """Row of each edge, size 1 along axes on which none of its columns varies."""
        labels = bundle.label.expand(bundle.shape).compact()
        histories = self.histories[bundle.history.expand(bundle.shape).compact()]
        pair = np.stack(np.broadcast_arrays(labels, histories), axis=-1)
        distinct, inverse = np.unique(pair.reshape(-1, 2), axis=0, return_inverse=True)
        fixed = (edge_kind_id(bundle.kind), stable_id(bundle.op), bundle.depth)
        numbers = np.array(
            [
                self.known.setdefault(
                    (*fixed, int(label), bundle.operand, int(history)), len(self.known)
                )
                for label, history in distinct
            ],
            dtype=np.int64,
        )
        return numbers[inverse.reshape(pair.shape[:-1])]

    def table(self) -> Tensor:
        """int64 [T, edge columns]."""
        return torch.tensor(list(self.known), dtype=torch.int64).reshape(len(self.known), 6)


@dataclass(frozen=True)
class _Layout:
    """How the axes of a bundle become the axes [P, D, S, R]."""

    axes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]

    @staticmethod
    def of(bundle: Bundle) -> _Layout:
        src, dst = (m.expand(bundle.shape).strides for m in (bundle.src, bundle.dst))
        groups: tuple[list[int], ...] = ([], [], [], [])
        for axis, n in enumerate(bundle.shape):
            if n == 1:
                continue
            groups[(0 if src[axis] else 1) if dst[axis] else (2 if src[axis] else 3)].append(axis)
        return _Layout(tuple(map(tuple, groups)), bundle.shape)

    @property
    def four(self) -> Shape:
        """The sizes of P, D, S and R."""
        p, d, s, r = (math.prod(self.shape[a] for a in group) for group in self.axes)
        return p, d, s, r

    def array(self, array: np.ndarray, keep: tuple[int, ...]) -> np.ndarray:
        """`array`, broadcast over the bundle, on the four axes; constant along those not kept."""
        order = [a for group in self.axes for a in group]
        rest = [a for a in range(len(self.shape)) if a not in order]
        cut = np.transpose(array, (*rest, *order))[(0,) * len(rest)]
        kept = [number in keep for number, group in enumerate(self.axes) for _ in group]
        cut = cut[tuple(slice(None) if k else slice(0, 1) for k in kept)]
        sizes = [n if number in keep else 1 for number, n in enumerate(self.four)]
        return np.array(cut, order="C").reshape(sizes)


def _blocks(
    bundle: Bundle, number: int, slots: dict[str, int], types: _Types, limit: int, first: int
) -> Iterator[Block]:
    if 0 in bundle.shape:
        return
    layout = _Layout.of(bundle)
    p, d, s, _ = layout.four
    dst = layout.array(bundle.dst.expand(bundle.shape).array(), (0, 1)).reshape(p, d)
    src = layout.array(bundle.src.expand(bundle.shape).array(), (0, 2)).reshape(p, s)
    rows = types.rows(bundle)
    varies = tuple(i for i, g in enumerate(layout.axes) if any(rows.shape[a] > 1 for a in g))
    kinds = torch.from_numpy(layout.array(np.broadcast_to(rows, bundle.shape), varies))
    for cut in _cuts(layout.four, limit, across=_across(bundle, layout)):
        part = tuple(c if kinds.shape[i] > 1 else slice(None) for i, c in enumerate(cut))
        block = Block(
            first, tuple(c.stop - c.start for c in cut),  # type: ignore[arg-type]
            Ids.of(dst[cut[0], cut[1]]), Ids.of(src[cut[0], cut[2]]), kinds[part].contiguous(),
            _reading(bundle, layout, slots, cut), number, cut,
        )  # fmt: skip
        yield block
        first += block.size


def _reading(bundle: Bundle, layout: _Layout, slots: dict[str, int], cut: Cut) -> Reading | None:
    if bundle.slot is None or bundle.view is None:
        return None
    view = bundle.view.expand(bundle.shape)
    slot = slots[bundle.slot]
    plain = (
        view.table is None and min(view.strides, default=0) >= 0
    )  # torch has no negative strides
    affine = _cut_affine(view, layout, cut) if plain else None
    if affine is None:
        index = np.ascontiguousarray(layout.array(view.array(), (0, 1, 2, 3))[cut]).reshape(-1)
        alone = len(np.unique(index)) == len(index)
        return Reading(slot, (len(index),), (), 0, torch.from_numpy(index), alone)
    return Reading(slot, affine.shape, affine.strides, affine.offset, None, spans(affine))


def _cut_affine(view: IndexMap, layout: _Layout, cut: Cut) -> IndexMap | None:
    """The map of a piece; None where a cut goes through axes that are not one."""
    shape: list[int] = []
    strides: list[int] = []
    offset = view.offset
    for group, part, size in zip(layout.axes, cut, layout.four, strict=True):
        dims = [(layout.shape[a], view.strides[a]) for a in group]
        if part.stop - part.start < size:
            merged = _merged(dims)
            if merged is None:
                return None
            offset += part.start * merged
            dims = [(part.stop - part.start, merged)]
        shape += [n for n, _ in dims]
        strides += [s for _, s in dims]
    return IndexMap(tuple(shape), offset, tuple(strides))


def _merged(dims: list[tuple[int, int]]) -> int | None:
    """The stride of several axes as one."""
    for (_, outer), (n, inner) in pairwise(dims):
        if outer != n * inner:
            return None
    return dims[-1][1]


def _cuts(shape: Shape, limit: int, *, across: bool) -> Iterator[Cut]:
    """Slices of the axes P, D and S so that no piece has much more than `limit` edges.

    across: cut S before D.
    """
    p, d, s, r = shape
    outer, inner = (s, d) if across else (d, s)
    step_in = max(1, min(inner, limit // r))
    step_out = max(1, min(outer, limit // (r * inner))) if step_in == inner else 1
    step_p = max(1, min(p, limit // (r * s * d))) if step_out == outer else 1
    for i in range(0, p, step_p):
        for j in range(0, outer, step_out):
            for k in range(0, inner, step_in):
                one = slice(j, min(outer, j + step_out)), slice(k, min(inner, k + step_in))
                d_cut, s_cut = one[::-1] if across else one
                yield slice(i, min(p, i + step_p)), d_cut, s_cut, slice(0, r)


def _across(bundle: Bundle, layout: _Layout) -> bool:
    """Whether neighbours in memory are neighbours along D: a matrix stored as [in, out]."""
    if bundle.view is None:
        return False
    strides = bundle.view.expand(bundle.shape).strides
    least = [min((abs(strides[a]) for a in axes), default=0) for axes in layout.axes[1:3]]
    return 0 < least[0] < least[1]

"""From bundles to arrays: every edge written out, in bundle order, row-major inside a bundle.

The arrays are allocated once and each bundle is broadcast into its slice of them; nothing of the
size of the edges is made on the way (see benchmarks/). The columns of `edge_type` lie one after
the other in memory (it is the transpose of a `[columns, E]` array): a column is contiguous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gmn_fx.errors import GraphError, UsageError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph
from gmn_fx.graph.schema import (
    DIRECTION,
    EDGE_COLUMNS,
    NODE_COLUMNS,
    edge_kind_id,
    node_kind_id,
    schema_of,
    stable_id,
)

IntArray = npt.NDArray[np.integer]
# Inner runs shorter than this cost more in loop overhead than in memory traffic; a tile that
# lengthens them stays in cache.
_SHORT_RUN = 256
_TILE = 2**14


@dataclass(frozen=True)
class Arrays:
    """A parameter graph as plain tensors.

    x: int64 [N, node columns]. edge_index: [2, E], source then destination. edge_type: int64
    [E, edge columns]. edge_param: [E], index into the flat parameter vector or -1. edge_value: [E]
    in the parameters' dtype, 1 on parameter-free edges; None when the graph has no values.
    """

    x: Tensor
    edge_index: Tensor
    edge_type: Tensor
    edge_param: Tensor
    edge_value: Tensor | None
    node_columns: tuple[str, ...] = NODE_COLUMNS
    edge_columns: tuple[str, ...] = EDGE_COLUMNS


def materialise(
    graph: ParameterGraph,
    *,
    index_dtype: npt.DTypeLike = np.int64,
    reverse: bool = False,
    values: bool = True,
) -> Arrays:
    """Write out all nodes and edges.

    Args:
        graph: any parameter graph; `graph.verify()` must hold.
        index_dtype: int64 or int32, of `edge_index` and `edge_param`.
        reverse: append every edge once more with source and destination exchanged, after all
            forward edges and in the same order, and a column `direction` to `edge_type`.
        values: fill `edge_value` (where the graph has values).
    """
    schema_of(graph)  # raises when two names share a number
    index = _checked_dtype(graph, index_dtype)
    count = graph.num_edges
    total = 2 * count if reverse else count
    columns = (*EDGE_COLUMNS, DIRECTION) if reverse else EDGE_COLUMNS
    edge_index = _empty((2, total), index)
    edge_type = _empty((len(columns), total), np.dtype(np.int64))
    edge_param = _empty((total,), index)
    _fill_edges(graph, edge_index, edge_type, edge_param)
    if reverse:
        _append_reversed(edge_index, edge_type, edge_param, count)
    value = None
    if values and graph.values:
        from gmn_fx.graph.values import edge_values

        value = edge_values(graph)
        value = torch.cat([value, value]) if reverse else value
    return Arrays(
        torch.from_numpy(node_table(graph)),
        torch.from_numpy(edge_index),
        torch.from_numpy(edge_type).T,
        torch.from_numpy(edge_param),
        value,
        NODE_COLUMNS,
        columns,
    )


def node_table(graph: ParameterGraph) -> npt.NDArray[np.int64]:
    """The int64 array [N, node columns]."""
    columns = np.empty((len(NODE_COLUMNS), graph.num_nodes), dtype=np.int64)
    for group in graph.groups:
        part = columns[:, group.start : group.start + group.size]
        part[0] = node_kind_id(group.kind)
        part[1] = stable_id(group.op)
        part[2] = group.depth
        write(part[3], (group.size,), group.label)
        write(part[4], (group.size,), group.pin)
    return np.ascontiguousarray(columns.T)


def bundle_starts(graph: ParameterGraph) -> list[int]:
    """The number of the first edge of each bundle, and the number of edges at the end."""
    starts = [0]
    for bundle in graph.bundles:
        starts.append(starts[-1] + math.prod(bundle.shape))
    return starts


def write(out: IntArray, shape: tuple[int, ...], m: IndexMap, base: int = 0) -> None:
    """`out[...] = m + base`, where `out` is contiguous and holds `shape` row-major."""
    m = m.expand(shape)
    if out.size == 0:
        return
    if not any(m.strides):
        _write_constant(out, base + (m.offset if m.table is None else int(m.table[m.offset])))
    elif m.table is None:
        _write_affine(out, _tiled(_merged(m)), base)
    else:
        core = m.core()
        _write_broadcast(out, shape, core + base if base else core)


def _merged(m: IndexMap) -> IndexMap:
    """The same affine map with as few axes as possible."""
    shape: list[int] = []
    strides: list[int] = []
    for n, s in zip(m.shape, m.strides, strict=True):
        if n == 1:
            continue
        if shape and strides[-1] == s * n:
            shape[-1], strides[-1] = shape[-1] * n, s
        else:
            shape.append(n)
            strides.append(s)
    return IndexMap(tuple(shape), m.offset, tuple(strides))


def _tiled(m: IndexMap) -> IndexMap:
    """The same merged map; one axis is cut in two where that makes a tail of a good length."""
    split = _split(m.shape)
    run = math.prod(m.shape[split:])
    if split == 0 or run >= _SHORT_RUN:
        return m
    n, s = m.shape[split - 1], m.strides[split - 1]
    part = next(r for r in range(min(n, _TILE // run), 0, -1) if n % r == 0)
    shape = (*m.shape[: split - 1], n // part, part, *m.shape[split:])
    return IndexMap(shape, m.offset, (*m.strides[: split - 1], s * part, s, *m.strides[split:]))


def _write_affine(out: IntArray, m: IndexMap, base: int) -> None:
    """Write a map without table whose axes are merged: `lead + tail`, never the whole at once."""
    start = base + m.offset
    if len(m.shape) == 1:
        _write_ramp(out, start, m.strides[0])
        return
    split = _split(m.shape)
    lead = IndexMap(m.shape[:split], start, m.strides[:split])
    tail = IndexMap(m.shape[split:], 0, m.strides[split:])
    rows = out.reshape(-1, tail.size)
    if len(tail.shape) == 1 and tail.size > _TILE:
        for row, first in zip(rows, lead.array().flat, strict=True):
            _write_ramp(row, int(first), tail.strides[0])
    elif not any(lead.strides):
        rows[...] = tail.array().reshape(-1) + start
    elif not any(tail.strides):
        rows[...] = lead.array().reshape(-1, 1)
    else:
        outer = lead.array().astype(out.dtype).reshape(-1, 1)
        np.add(outer, tail.array().astype(out.dtype).reshape(-1), out=rows)


def _write_constant(out: IntArray, value: int) -> None:
    """Copying a block that stays in cache is a quarter faster than storing one by one."""
    whole = len(out) // _TILE
    if whole > 1:
        block = np.full(_TILE, value, dtype=out.dtype)
        out[: whole * _TILE].reshape(whole, _TILE)[...] = block
        out = out[whole * _TILE :]
    out[...] = value


def _write_ramp(out: IntArray, start: int, step: int) -> None:
    """`start, start + step, ...` block by block: one cached ramp is shifted along."""
    if step == 0:
        _write_constant(out, start)
        return
    block = min(len(out), _TILE)
    ramp = (np.arange(block, dtype=np.int64) * step).astype(out.dtype)
    whole = len(out) // block
    firsts = (start + np.arange(whole, dtype=np.int64) * (block * step)).astype(out.dtype)
    np.add(firsts[:, None], ramp, out=out[: whole * block].reshape(whole, block))
    rest = out[whole * block :]
    np.add(ramp[: len(rest)], out.dtype.type(start + whole * block * step), out=rest)


def _write_broadcast(out: IntArray, shape: tuple[int, ...], core: IntArray) -> None:
    """Broadcast `core` (size 1 on constant axes) into `out`, with long inner runs."""
    split = _split(shape)
    if split and all(n == 1 for n in core.shape[:split]):
        tile = np.broadcast_to(core, (1,) * split + shape[split:]).reshape(-1)
        out.reshape(-1, len(tile))[...] = tile
    else:
        out.reshape(shape)[...] = core


def _split(shape: tuple[int, ...]) -> int:
    """Where the tail of `shape` begins that is long enough to be an inner run."""
    split, run = len(shape), 1
    while split > 0 and run < _SHORT_RUN and (run == 1 or run * shape[split - 1] <= _TILE):
        split -= 1
        run *= shape[split]
    return split


def _fill_edges(
    graph: ParameterGraph, edge_index: IntArray, edge_type: IntArray, edge_param: IntArray
) -> None:
    offsets = {slot.name: slot.offset for slot in graph.slots}
    histories = np.array([stable_id(text) for text in graph.histories], dtype=np.int64)
    for bundle, low in zip(graph.bundles, bundle_starts(graph)[:-1], strict=True):
        part = slice(low, low + math.prod(bundle.shape))
        write(edge_index[0, part], bundle.shape, bundle.src)
        write(edge_index[1, part], bundle.shape, bundle.dst)
        _write_constant(edge_type[0, part], edge_kind_id(bundle.kind))
        _write_constant(edge_type[1, part], stable_id(bundle.op))
        _write_constant(edge_type[2, part], bundle.depth)
        write(edge_type[3, part], bundle.shape, bundle.label)
        _write_constant(edge_type[4, part], bundle.operand)
        _write_history(edge_type[5, part], bundle, histories)
        if bundle.slot is None or bundle.view is None:
            _write_constant(edge_param[part], -1)
        else:
            write(edge_param[part], bundle.shape, bundle.view, offsets[bundle.slot])


def _write_history(out: IntArray, bundle: Bundle, histories: npt.NDArray[np.int64]) -> None:
    m = bundle.history.expand(bundle.shape)
    if not any(m.strides):
        _write_constant(out, int(histories[m.core()].flat[0]) if out.size else 0)
    elif out.size:
        _write_broadcast(out, bundle.shape, histories[m.core()])


def _append_reversed(
    edge_index: IntArray, edge_type: IntArray, edge_param: IntArray, count: int
) -> None:
    edge_index[0, count:] = edge_index[1, :count]
    edge_index[1, count:] = edge_index[0, :count]
    edge_type[:-1, count:] = edge_type[:-1, :count]
    edge_type[-1, :count] = 0
    edge_type[-1, count:] = 1
    edge_param[count:] = edge_param[:count]


def _checked_dtype(graph: ParameterGraph, index_dtype: npt.DTypeLike) -> np.dtype[np.integer]:
    index: np.dtype[np.integer] = np.dtype(index_dtype)  # type: ignore[assignment]
    if index not in (np.dtype(np.int64), np.dtype(np.int32)):
        raise UsageError(f"index dtype {index} is not supported", hint="use int64 or int32")
    largest = max(graph.num_nodes, graph.num_parameters)
    if largest > np.iinfo(index).max:
        raise UsageError(
            f"the graph has {largest} nodes or parameters: too many for {index} indices",
            hint="use int64",
        )
    return index


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> IntArray:
    # numpy asks for huge pages where torch does not: a third of the time on large graphs
    try:
        return np.empty(shape, dtype=dtype)
    except (MemoryError, ValueError) as error:
        raise GraphError(
            f"{shape[-1]} edges do not fit into memory as arrays",
            hint="work on bundles instead of edges, or use int32 indices",
        ) from error

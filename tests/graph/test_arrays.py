from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmn_fx.errors import GraphError, UsageError
from gmn_fx.graph.arrays import bundle_starts, materialise
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.graph.schema import EDGE_KINDS, NODE_KINDS, stable_id


def naive(graph: ParameterGraph) -> tuple[list[tuple[int, ...]], list[float]]:
    """Edge by edge, in plain Python."""
    offsets = {s.name: s.offset for s in graph.slots}
    rows, values = [], []
    for b in graph.bundles:
        maps = [m.expand(b.shape).array() for m in (b.src, b.dst, b.label, b.history)]
        for i in np.ndindex(*b.shape):
            src, dst, label, history = (int(m[i]) for m in maps)
            param, value = -1, 1.0
            if b.slot is not None:
                element = int(b.view.expand(b.shape).array()[i])
                param = offsets[b.slot] + element
                value = float(graph.values[b.slot].reshape(-1)[element])
            rows.append((src, dst, EDGE_KINDS.index(b.kind), stable_id(b.op), b.depth, label,
                         b.operand, stable_id(graph.histories[history]), param))  # fmt: skip
            values.append(value)
    return rows, values


def test_arrays_equal_the_plain_definition(any_graph, bind_random):
    graph = bind_random(any_graph)
    arrays = materialise(graph)
    rows, values = naive(graph)
    found = torch.cat(
        [arrays.edge_index.T, arrays.edge_type, arrays.edge_param[:, None]], dim=1
    ).tolist()
    assert [tuple(r) for r in found] == rows
    assert arrays.edge_value.tolist() == pytest.approx(values)


def test_nodes(mlp):
    x = materialise(mlp).x
    assert x.shape == (8, 5)
    assert x[0].tolist() == [NODE_KINDS.index("input"), stable_id("input"), -1, 0, 0]
    assert x[1, 3:].tolist() == [1, 0]
    assert x[4].tolist() == [NODE_KINDS.index("neuron"), stable_id("linear"), 1, -1, -1]


def test_dtypes_and_shapes(any_graph, bind_random):
    arrays = materialise(bind_random(any_graph))
    count = any_graph.num_edges
    assert arrays.edge_index.shape == (2, count)
    assert arrays.edge_type.shape == (count, len(arrays.edge_columns))
    integers = (arrays.x, arrays.edge_index, arrays.edge_type, arrays.edge_param)
    assert {t.dtype for t in integers} == {torch.int64}
    assert arrays.edge_value.dtype == torch.float32


def test_int32_indices(any_graph):
    wide, narrow = materialise(any_graph), materialise(any_graph, index_dtype=np.int32)
    assert narrow.edge_index.dtype == narrow.edge_param.dtype == torch.int32
    assert narrow.edge_type.dtype == torch.int64
    assert torch.equal(wide.edge_index, narrow.edge_index.long())
    assert torch.equal(wide.edge_param, narrow.edge_param.long())


def test_reverse(any_graph, bind_random):
    graph = bind_random(any_graph)
    once, twice = materialise(graph), materialise(graph, reverse=True)
    count = graph.num_edges
    assert twice.edge_columns == (*once.edge_columns, "direction")
    assert torch.equal(twice.edge_index[:, :count], once.edge_index)
    assert torch.equal(twice.edge_index[:, count:], once.edge_index.flip(0))
    assert torch.equal(twice.edge_type[:, :-1], once.edge_type.repeat(2, 1))
    assert twice.edge_type[:, -1].tolist() == [0] * count + [1] * count
    assert torch.equal(twice.edge_param, once.edge_param.repeat(2))
    assert torch.equal(twice.edge_value, once.edge_value.repeat(2))


def test_structure_only_has_no_values(mlp):
    assert materialise(mlp).edge_value is None


def test_values_can_be_left_out(mlp, bind_random):
    assert materialise(bind_random(mlp), values=False).edge_value is None


def test_empty_graph():
    arrays = materialise(ParameterGraph("empty", (), (), ()))
    assert arrays.x.shape == (0, 5)
    assert arrays.edge_index.shape == (2, 0)


def test_zero_size_bundles(mlp, change):
    graph = change(mlp, 1, shape=(0,), src=replace(mlp.bundles[1].src, shape=(0,)),
                   dst=replace(mlp.bundles[1].dst, shape=(0,)),
                   view=replace(mlp.bundles[1].view, shape=(0,)))  # fmt: skip
    assert materialise(graph).edge_index.shape == (2, 10)
    assert bundle_starts(graph) == [0, 6, 6, 9, 10]


def test_wrong_index_dtype(mlp):
    with pytest.raises(UsageError, match="float32"):
        materialise(mlp, index_dtype=np.float32)


def test_too_large_for_int32(mlp):
    slot = replace(mlp.slots[-1], shape=(2**31,))
    with pytest.raises(UsageError, match="too many for int32"):
        materialise(replace(mlp, slots=(*mlp.slots[:-1], slot)), index_dtype=np.int32)


def test_more_edges_than_memory(mlp, change):
    far = (2**20, 2**20, 2**20)
    graph = change(mlp, 0, shape=far, src=mlp.bundles[0].src.constant(0),
                   dst=mlp.bundles[0].src.constant(0), slot=None, view=None)  # fmt: skip
    with pytest.raises(GraphError, match="do not fit into memory"):
        materialise(graph)

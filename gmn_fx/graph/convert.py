"""Conversions for other libraries: PyTorch Geometric and networkx (imported only here)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gmn_fx.errors import UsageError
from gmn_fx.graph.arrays import materialise
from gmn_fx.graph.model import Group, ParameterGraph
from gmn_fx.graph.schema import schema_of

if TYPE_CHECKING:
    import networkx
    from torch_geometric.data import Data

_INDEX = {torch.int64: np.int64, torch.int32: np.int32}


def to_pyg(
    graph: ParameterGraph, *, index_dtype: torch.dtype = torch.int64, reverse: bool = False
) -> Data:
    """A `torch_geometric.data.Data` with everything that a metanet may see.

    - `x`: int64 [N, node columns]
    - `edge_index`: [2, E], source and destination
    - `edge_type`: int64 [E, edge columns]
    - `edge_value`: [E] in the parameters' dtype, 1 on parameter-free edges; absent without values
    - `edge_param`: [E], index into the flat parameter vector, -1 on parameter-free edges
    - `num_nodes`

    Columns and vocabularies: `graph.schema`. Edges are in bundle order, row-major inside a bundle.

    Args:
        graph: the graph.
        index_dtype: torch.int64 or torch.int32, of `edge_index` and `edge_param`.
        reverse: every edge once more, exchanged, after all others, and a last column `direction`
            (0 forward, 1 reversed) in `edge_type`.
    """
    from torch_geometric.data import Data

    if index_dtype not in _INDEX:
        raise UsageError(
            f"index dtype {index_dtype} is not supported", hint="use torch.int64 or torch.int32"
        )
    arrays = materialise(graph, index_dtype=_INDEX[index_dtype], reverse=reverse)
    data = Data(
        x=arrays.x,
        edge_index=arrays.edge_index,
        edge_type=arrays.edge_type,
        edge_param=arrays.edge_param,
        num_nodes=graph.num_nodes,
    )
    if arrays.edge_value is not None:
        data.edge_value = arrays.edge_value
    return data


def to_networkx(graph: ParameterGraph) -> networkx.MultiDiGraph:
    """A MultiDiGraph over node ids.

    Nodes have kind, op, depth, label, pin, name (module path) and source; edges have kind, op,
    depth, label, operand, history, and on parameter edges param (slot name), index (position in
    the slot, a tuple) and, where the graph has values, value. Strings are strings, -1 means none.
    The edge key is the number of the edge in the arrays.
    """
    import networkx

    out = networkx.MultiDiGraph(name=graph.name)
    for group in graph.groups:
        out.add_nodes_from(_nodes(group))
    arrays = materialise(graph)
    source, target = (row.tolist() for row in arrays.edge_index)
    attributes = _edges(graph, arrays.edge_type, arrays.edge_param, arrays.edge_value)
    out.add_edges_from(
        (s, d, key, data)
        for key, (s, d, data) in enumerate(zip(source, target, attributes, strict=True))
    )
    return out


def _nodes(group: Group) -> list[tuple[int, dict[str, Any]]]:
    label = group.label.expand((group.size,)).array().tolist()
    pin = group.pin.expand((group.size,)).array().tolist()
    return [
        (
            group.start + i,
            {
                "kind": group.kind,
                "op": group.op,
                "depth": group.depth,
                "label": label[i],
                "pin": pin[i],
                "name": group.name,
                "source": group.source,
            },
        )
        for i in range(group.size)
    ]


def _edges(
    graph: ParameterGraph, types: torch.Tensor, params: torch.Tensor, values: torch.Tensor | None
) -> list[dict[str, Any]]:
    schema = schema_of(graph)
    columns = []
    for number, name in enumerate(schema.edge_columns):
        column = types[:, number].tolist()
        words = schema.vocabularies.get(f"edge.{name}")
        columns.append(column if words is None else [words[i] for i in column])
    out = [dict(zip(schema.edge_columns, row, strict=True)) for row in zip(*columns, strict=True)]
    _add_params(graph, out, params)
    if values is not None:
        for data, param, value in zip(out, params.tolist(), values.tolist(), strict=True):
            if param >= 0:
                data["value"] = value
    return out


def _add_params(graph: ParameterGraph, edges: list[dict[str, Any]], params: torch.Tensor) -> None:
    slots = [slot for slot in graph.slots if slot.numel]
    if not slots:
        return
    starts = np.array([slot.offset for slot in slots])
    flat = params.numpy()
    owners = np.searchsorted(starts, flat, side="right") - 1
    for data, param, owner in zip(edges, flat.tolist(), owners.tolist(), strict=True):
        if param >= 0:
            slot = slots[owner]
            data["param"] = slot.name
            place = np.unravel_index(param - slot.offset, slot.shape) if slot.shape else ()
            data["index"] = tuple(int(i) for i in place)

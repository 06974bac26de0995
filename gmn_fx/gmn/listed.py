"""A batch of one architecture as an edge list, its values kept in the autograd graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gmn_fx.gmn.batch import GraphBatch
from gmn_fx.gmn.plan import Plan, edge_places
from gmn_fx.graph.arrays import materialise

if TYPE_CHECKING:
    from torch_geometric.data import Data


def as_data(graphs: GraphBatch, plan: Plan) -> tuple[Data, Tensor]:
    """The PyG data of the whole batch, and where each edge of the plan is in one graph's arrays."""
    from torch_geometric.data import Data

    device = plan.fan_in.device
    arrays = materialise(graphs.structure, values=False)
    places = edge_places(graphs.structure, plan)
    batch, nodes = len(graphs), plan.num_nodes
    shift = torch.arange(batch).repeat_interleave(plan.num_edges) * nodes
    value = edge_values(graphs, plan).index_select(1, torch.argsort(places).to(device))
    data = Data(
        x=arrays.x.repeat(batch, 1),
        edge_index=arrays.edge_index.repeat(1, batch) + shift,
        edge_type=arrays.edge_type.repeat(batch, 1),
        num_nodes=nodes * batch,
        batch=torch.arange(batch).repeat_interleave(nodes),
    ).to(device)
    data.edge_value = value.reshape(-1)
    return data, places.to(device)


def edge_values(graphs: GraphBatch, plan: Plan) -> Tensor:
    """[B, E] in the order of the plan; 1 on parameter-free edges."""
    batch = len(graphs)
    like = graphs.values[0] if graphs.values else torch.ones(1, device=plan.fan_in.device)
    parts = []
    for block in plan.blocks:
        if block.reading is None:
            parts.append(like.new_ones(batch, block.size))
        else:
            part = block.reading.get(graphs.values, 0, batch)
            parts.append(part.reshape(batch, block.size))
    return torch.cat(parts, 1) if parts else like.new_ones(batch, 0)

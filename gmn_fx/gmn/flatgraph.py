"""An edge list as the reference and the flat executor read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gmn_fx.errors import GraphError
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.ends import Ends
from gmn_fx.gmn.kernel import features
from gmn_fx.gmn.listed import Listing
from gmn_fx.gmn.plan import Plan
from gmn_fx.gmn.spaces import Flat
from gmn_fx.graph.schema import EDGE_COLUMNS, NODE_COLUMNS

if TYPE_CHECKING:
    from torch_geometric.data import Data


@dataclass(frozen=True)
class FlatGraph:
    """An edge list.

    x: int64 [N, node columns], or those of one graph where all are of one architecture.
    edge_type: int64 [E, edge columns], or the distinct ones, of which `kind` [E] tells the row.
    edge_index: int64 [2, E]; sources, targets: its rows, for sums to full precision. features:
    [E, F], of the values. edge_graph: [E], the graph of each edge.
    """

    x: Tensor
    edge_type: Tensor
    kind: Tensor | None
    edge_index: Tensor
    sources: Ends
    targets: Ends
    features: Tensor
    edge_graph: Tensor
    space: Flat

    @classmethod
    def of(cls, data: Data, config: GMNConfig, encoder: Encoder) -> FlatGraph:
        """From what `graph.to_pyg()` or a PyG loader gives; GraphError for anything else."""
        _check(data)
        edge_index = data.edge_index.long()
        count = int(data.num_nodes)
        batch, graphs = graph_of_nodes(data)
        fan_in = torch.bincount(edge_index[1], minlength=count)
        fan_out = torch.bincount(edge_index[0], minlength=count)
        space = Flat(fan_in, fan_out, batch, graphs)
        scale = encoder.scale(data.edge_type).to(encoder.value.weight.dtype)
        value = _scaled(config, data.edge_value, scale, edge_index, space)
        read = features(value, config.value_frequencies)
        ends = Ends.of(edge_index[0], fan_out), Ends.of(edge_index[1], fan_in)
        member = batch[edge_index[1]]
        return cls(data.x, data.edge_type, None, edge_index, *ends, read, member, space)

    @classmethod
    def listed(
        cls, plan: Plan, listing: Listing, slots: tuple[Tensor, ...], config: GMNConfig,
        encoder: Encoder,
    ) -> FlatGraph:  # fmt: skip
        """From a batch of one architecture."""
        like = encoder.value.weight
        scale = encoder.scale(plan.edge_types).to(like.dtype)[listing.kind]
        value = listing.values(slots, like)
        value = _scaled(config, value, scale, listing.edge_index, listing.space)
        return cls(
            plan.node_types, plan.edge_types, listing.kind, listing.edge_index,
            listing.sources, listing.targets, features(value, config.value_frequencies),
            listing.edge_graph, listing.space,
        )  # fmt: skip

    def nodes(self, encoder: Encoder) -> Tensor:
        """First states of the nodes, [N, d]."""
        found: Tensor = encoder.nodes(self.x)
        return found.repeat(len(self.space.graph) // max(1, len(found)), 1)

    def on_edges(self, table: Tensor) -> Tensor:
        """Rows of a table of edge types, [E, d]."""
        return table if self.kind is None else table.index_select(0, self.kind)

    def edge_sum(self, e: Tensor) -> Tensor:
        """Sum over the edges of each graph [B, d]: first at the nodes, then in runs."""
        return self.space.pool(self.targets.sum(e), mean=False)


def graph_of_nodes(data: Data) -> tuple[Tensor, int]:
    """int64 [N], ascending: the graph of each node; and the number of graphs."""
    given = getattr(data, "batch", None)
    batch: Tensor = data.x.new_zeros(len(data.x)) if given is None else given
    return batch, int(batch[-1]) + 1 if len(batch) else 1


def _scaled(
    config: GMNConfig, value: Tensor, scale: Tensor, edge_index: Tensor, space: Flat
) -> Tensor:
    value = value.to(scale.dtype) * scale
    if config.aggregation == "fan_in":
        value = value * space.fan_in[edge_index[1]].to(scale.dtype)
    return value


def _check(data: Data) -> None:
    for name in ("x", "edge_index", "edge_type", "edge_value"):
        if getattr(data, name, None) is None:
            raise GraphError(
                f"the data has no field {name!r}",
                hint="make it with graph.to_pyg() of a graph that has values",
            )
    for name, columns in (("x", NODE_COLUMNS), ("edge_type", EDGE_COLUMNS)):
        table = getattr(data, name)
        if table.dim() != 2 or table.shape[1] != len(columns):
            raise GraphError(
                f"data.{name} has shape {tuple(table.shape)}, expected {len(columns)} columns",
                hint="use to_pyg() without reverse=True: the metanet goes both ways by itself"
                if name == "edge_type"
                else "make it with graph.to_pyg()",
            )
    if data.edge_value.is_complex():
        raise GraphError(
            "the data has complex edge values: the features of a metanet are real",
            hint="store real and imaginary parts as two parameters (torch.view_as_real)",
        )

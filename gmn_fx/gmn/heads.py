"""Metanets with an output: one for the graph, one for each node, one for each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gmn_fx.errors import UsageError
from gmn_fx.gmn.batch import Buckets, GraphBatch, buckets
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.model import GMN, Executor
from gmn_fx.gmn.plan import slot_order
from gmn_fx.gmn.pool import NUM_KINDS, Pool, pooled
from gmn_fx.gmn.vocabulary import Vocabulary
from gmn_fx.graph.model import ParameterGraph

if TYPE_CHECKING:
    from torch_geometric.data import Data

Graphs = Any  # ParameterGraph | Sequence[ParameterGraph] | GraphBatch | Buckets | Data


class _Head(nn.Module):
    """A metanet below, and what is common to all heads."""

    def __init__(
        self, config: GMNConfig, vocabulary: Vocabulary, *, executor: Executor = "auto",
        memory: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.gmn = GMN(config, vocabulary, executor=executor, memory=memory)

    @property
    def config(self) -> GMNConfig:
        """Hyperparameters of the metanet."""
        return self.gmn.config


class ReadoutNorm(nn.BatchNorm1d):
    """Batch norm of what was pooled: networks differ little beside what they have in common.

    A batch of one network, which has no variance, is normalised by the running statistics.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, width] to [B, width]."""
        if self.training and len(x) > 1:
            return super().forward(x)
        mean, var = self.running_mean, self.running_var
        return nn.functional.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)


class InvariantGMN(_Head):
    """One vector for each network: its accuracy, its class, an embedding.

    pool: "graph": the mean of all node states (their sum if the metanet sums); "kind": one mean for
        each kind of node; "depth": the mean over depths of the means of each depth.
    """

    def __init__(
        self,
        config: GMNConfig,
        vocabulary: Vocabulary,
        out_features: int,
        *,
        pool: Pool = "graph",
        executor: Executor = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(config, vocabulary, executor=executor, memory=memory)
        self.pool: Pool = pool
        width = pooled_width(config, pool)
        self.norm = ReadoutNorm(width)
        self.head = nn.Sequential(
            nn.Linear(width, config.hidden), nn.GELU(), nn.Linear(config.hidden, out_features)
        )

    def forward(self, graphs: Graphs) -> Tensor:
        """[B, out_features], in the order of the graphs."""
        return self.head(self.norm(per_graph(graphs, self._pooled)))  # type: ignore[no-any-return]

    def _pooled(self, graphs: GraphBatch | Data) -> Tensor:
        states = self.gmn.states(graphs)
        found = pooled(self.gmn, graphs, states.nodes, self.pool)
        if states.whole is not None:
            found = torch.cat([found, states.whole], -1)
        return found


class NodeGMN(_Head):
    """One vector for each node of one architecture, [B, N, out_features] ([N, ..] of a `Data`)."""

    def __init__(
        self, config: GMNConfig, vocabulary: Vocabulary, out_features: int, *,
        executor: Executor = "auto", memory: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(config, vocabulary, executor=executor, memory=memory)
        self.norm = nn.LayerNorm(config.hidden)
        self.head = nn.Linear(config.hidden, out_features)

    def forward(self, graphs: GraphBatch | Data) -> Tensor:
        """[B, N, out_features]."""
        return self.head(self.norm(self.gmn.states(graphs).nodes))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Updates:
    """One value for each element of each parameter of the networks of a batch.

    batch: the networks. values: one tensor [B, numel] a slot on edges (see `GraphBatch.values`).
    """

    batch: GraphBatch
    values: tuple[Tensor, ...]

    def state_dicts(self, *, add: bool = True, frozen: bool = False) -> list[dict[str, Tensor]]:
        """What `load_state_dict` or `torch.func.functional_call` takes, one for each network.

        add: the parameters plus the updates; else the updates alone (0 where there is none).
        frozen: update frozen parameters and buffers (running statistics) too. Integers and what
            nothing reads stay as they are; aliases get the tensor of their slot.
        """
        return [self._one(i, graph, add, frozen) for i, graph in enumerate(self.batch.graphs)]

    def _one(self, row: int, graph: ParameterGraph, add: bool, frozen: bool) -> dict[str, Tensor]:
        place = {name: i for i, name in enumerate(slot_order(graph))}
        out: dict[str, Tensor] = {}
        for slot in graph.slots:
            held, at = graph.values[slot.name], place.get(slot.name)
            if at is not None:
                held = self.batch.values[at][row].reshape(slot.shape)
            if at is None or not held.is_floating_point() or not (slot.trainable or frozen):
                value = held if add or not held.is_floating_point() else torch.zeros_like(held)
            else:
                value = self.values[at][row].reshape(slot.shape).to(held.dtype)
                value = held + value if add else value
            for name in (slot.name, *slot.aliases):
                out[name] = value
        return out


class EquivariantGMN(_Head):
    """One value for each parameter: an edit, a pruning score, a step of a learned optimiser.

    The readout of an edge is linear in its last hidden layer, times a learned scale. An element
    that lies on several edges (tied parameters) gets the mean of theirs; edges without a parameter
    have no say.
    """

    def __init__(
        self, config: GMNConfig, vocabulary: Vocabulary, *, scale: float = 0.01,
        executor: Executor = "auto", memory: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(config, vocabulary, executor=executor, memory=memory)
        self.readout = nn.Linear(config.hidden, 1)
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def forward(self, graphs: ParameterGraph | Sequence[ParameterGraph] | GraphBatch) -> Updates:
        """Updates of the networks of one architecture; `edit` takes several architectures."""
        batch = graphs if isinstance(graphs, GraphBatch) else GraphBatch.of(_listed(graphs))
        states = self.gmn.states(batch, self.readout)
        assert states.edges is not None
        plan = self.gmn.plan(batch.structure)
        flat = plan.to_slots(states.edges.squeeze(-1), [v.shape[1] for v in batch.values])
        return Updates(batch, tuple(f * self.scale for f in flat))

    def edit(self, graphs: Sequence[ParameterGraph]) -> list[dict[str, Tensor]]:
        """New state_dicts of networks of any architectures, in their order."""
        sorted_ = buckets(graphs)
        out: list[dict[str, Tensor]] = [{} for _ in graphs]
        for batch, places in zip(sorted_.batches, sorted_.places, strict=True):
            for place, state in zip(places, self(batch).state_dicts(), strict=True):
                out[place] = state
        return out


def per_graph(graphs: Graphs, run: Any) -> Tensor:
    """Rows of `run` for whatever form the graphs come in, in their order."""
    if isinstance(graphs, ParameterGraph):
        graphs = [graphs]
    if isinstance(graphs, Sequence) and not isinstance(graphs, GraphBatch):
        graphs = buckets(graphs)
    if not isinstance(graphs, Buckets):
        return run(graphs)  # type: ignore[no-any-return]
    if not graphs.batches:
        raise UsageError("there is no graph to run the metanet on")
    rows = torch.cat([run(batch) for batch in graphs.batches])
    order = torch.tensor([i for part in graphs.places for i in part], device=rows.device)
    return rows[torch.argsort(order)]


def pooled_width(config: GMNConfig, pool: Pool) -> int:
    """Width of what a pool gives, and of u behind it."""
    parts = NUM_KINDS if pool == "kind" else 1
    return config.hidden * (parts + config.global_state)


def _listed(graphs: ParameterGraph | Sequence[ParameterGraph]) -> list[ParameterGraph]:
    return [graphs] if isinstance(graphs, ParameterGraph) else list(graphs)

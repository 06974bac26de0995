"""The graph metanetwork: one set of weights, four exact executors."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import nn

from gmn_fx.errors import UsageError
from gmn_fx.gmn.batch import GraphBatch
from gmn_fx.gmn.blockwise import run_blockwise
from gmn_fx.gmn.budget import Choice, choose
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.plan import Plan, plan_of
from gmn_fx.gmn.states import States
from gmn_fx.gmn.vocabulary import Vocabulary
from gmn_fx.graph.model import ParameterGraph

if TYPE_CHECKING:
    from torch_geometric.data import Data

Executor = Literal["auto", "reference", "flat", "dense", "stream"]
# Architectures whose blocks are kept ready; those of the longest ago are made again.
_MOST_PLANS = 256
# Numbers of one block of edges: half a MB of float32, what a core has in its cache.
_BLOCK = 2**17


class GMN(nn.Module):
    """A graph metanetwork over parameter graphs (Lim et al., ICLR 2024).

    executor: how the same function is computed. "reference" and "flat" take a PyG `Data` or
    `Batch`, "dense" and "stream" graphs of one architecture; "auto" picks by size and memory.
    memory: bytes that "auto" may plan with; None: half of what is free.
    """

    def __init__(
        self,
        config: GMNConfig,
        vocabulary: Vocabulary,
        *,
        executor: Executor = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__()
        self.config, self.vocabulary, self.memory = config, vocabulary, memory
        self.executor: Executor = executor
        self.encoder = Encoder(config, vocabulary)
        self.layers = nn.ModuleList(Layer(config, vocabulary.sizes) for _ in range(config.layers))
        self._plans: OrderedDict[tuple[int, torch.device], tuple[Any, Plan]] = OrderedDict()

    def states(self, graphs: GraphBatch | Data, readout: nn.Linear | None = None) -> States:
        """Run the metanet; see `States`. Edges of a `GraphBatch` are in the plan's order."""
        if not isinstance(graphs, GraphBatch):
            return self._on_data(graphs, readout, self.executor)
        choice = self.choice(graphs, edges=readout is not None)
        if choice.executor in ("reference", "flat"):
            return self._listed(graphs, readout, choice.executor)
        plan = self.plan(graphs.structure)
        like = self.encoder.value.weight
        values = tuple(v.to(like.device, like.dtype) for v in graphs.values)
        return run_blockwise(
            plan, values, len(graphs), self.encoder, self._rounds, readout,
            limit=self._limit, streaming=choice.executor == "stream",
        )  # fmt: skip

    def choice(self, graphs: GraphBatch, *, edges: bool = False) -> Choice:
        """Which executor takes this batch, and why."""
        if self.executor not in get_args(Executor):
            raise UsageError(
                f"executor {self.executor!r} is unknown",
                hint=f"use one of {', '.join(get_args(Executor))}",
            )
        if self.executor != "auto":
            return Choice(self.executor, "asked for")
        grad = torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())
        return choose(self.config, graphs, grad=grad, edges=edges, memory=self.memory)

    def explain(self, graphs: GraphBatch, *, edges: bool = False) -> str:
        """One line: the executor of this batch, and why."""
        choice = self.choice(graphs, edges=edges)
        return f"{choice.executor}: {choice.reason}"

    def plan(self, graph: ParameterGraph) -> Plan:
        """The blocks of an architecture on this metanet's device, made once."""
        device = self.encoder.value.weight.device
        key = (id(graph.bundles), device)
        if key not in self._plans:
            # the bundles are kept beside the plan, so that their id stays theirs
            self._plans[key] = graph.bundles, plan_of(graph, limit=self._limit).to(device)
        self._plans.move_to_end(key)
        if len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)
        return self._plans[key][1]

    @property
    def _rounds(self) -> list[Layer]:
        return list(self.layers)  # type: ignore[arg-type]

    @property
    def _limit(self) -> int:
        return max(256, _BLOCK // self.config.hidden)

    def _on_data(self, data: Data, readout: nn.Linear | None, executor: str) -> States:
        from gmn_fx.gmn.flat import run_flat
        from gmn_fx.gmn.flatgraph import FlatGraph

        if executor in ("dense", "stream"):
            raise UsageError(
                f"the {executor} executor reads parameter graphs, not an edge list",
                hint="give a GraphBatch, or use executor='auto', 'flat' or 'reference'",
            )
        graph = FlatGraph.of(data, self.config, self.encoder)
        if executor == "reference":
            from gmn_fx.gmn.reference import run_reference

            return run_reference(graph, self.encoder, self._rounds, readout)
        return run_flat(graph, self.encoder, self._rounds, readout)

    def _listed(self, graphs: GraphBatch, readout: nn.Linear | None, executor: str) -> States:
        """A batch as an edge list, and its states in the order of the plan."""
        from gmn_fx.gmn.listed import as_data

        data, places = as_data(graphs, self.plan(graphs.structure))
        states = self._on_data(data, readout, executor)
        batch = len(graphs)
        nodes = states.nodes.unflatten(0, (batch, -1))
        edges = states.edges
        if edges is not None:
            edges = edges.unflatten(0, (batch, -1)).index_select(1, places)
        return replace(states, nodes=nodes, edges=edges)

    def extra_repr(self) -> str:
        """The executor."""
        return f"executor={self.executor!r}"

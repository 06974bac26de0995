"""The graph metanetwork: one set of weights, four exact executors."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import nn

from gmn_fx.errors import UsageError
from gmn_fx.gmn.batch import GraphBatch
from gmn_fx.gmn.blockwise import run_blockwise
from gmn_fx.gmn.budget import Choice, choose, on_edge_list
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.flat import run_flat
from gmn_fx.gmn.flatgraph import FlatGraph
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.listed import Listing, list_edges
from gmn_fx.gmn.plan import Plan, plan_of
from gmn_fx.gmn.states import States
from gmn_fx.gmn.vocabulary import Vocabulary
from gmn_fx.graph.model import ParameterGraph

if TYPE_CHECKING:
    from torch_geometric.data import Data

Executor = Literal["auto", "reference", "flat", "dense", "stream"]
# Architectures whose blocks are kept ready; those of the longest ago are made again.
_MOST_PLANS = 256
# Numbers of one block of edges: on a CPU what its second-level cache holds; an accelerator needs
# large ones to be busy.
_BLOCK = {"cpu": 2**18}
_BLOCK_ELSEWHERE = 2**24


@dataclass
class _Ready:
    """What is kept of an architecture. The last listing is: batches mostly have one size."""

    plan: Plan
    last: Listing | None = None

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def listing(self, graphs: GraphBatch) -> tuple[Plan, Listing]:
        """The plan, and its edges for a batch of this size."""
        if self.last is None or self.last.space.batch != len(graphs):
            sizes = tuple(v.shape[1] for v in graphs.values)
            self.last = list_edges(self.plan, len(graphs), sizes)
        return self.plan, self.last


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
        self._known: OrderedDict[int, tuple[Any, str]] = OrderedDict()
        self._plans: OrderedDict[tuple[str, torch.device], _Ready] = OrderedDict()

    def states(self, graphs: GraphBatch | Data, readout: nn.Linear | None = None) -> States:
        """Run the metanet; see `States`. Edges of a `GraphBatch` are in the plan's order.

        Under autocast it stays in the dtype of its weights: sums over many edges need the digits.
        """
        with torch.autocast(self._device.type, enabled=False):
            if not isinstance(graphs, GraphBatch):
                return self._on_data(graphs, readout, self.executor)
            choice = self.choice(graphs)
            if choice.executor in ("reference", "flat"):
                return self._listed(graphs, readout, choice.executor)
            plan = self.plan(graphs.structure)
            like = self.encoder.value.weight
            values = tuple(v.to(like.device, like.dtype) for v in graphs.values)
            return run_blockwise(
                plan, values, len(graphs), self.encoder, self._rounds, readout,
                limit=self._limit, streaming=choice.executor == "stream",
            )  # type: ignore[no-any-return]  # fmt: skip

    def choice(self, graphs: GraphBatch) -> Choice:
        """Which executor takes this batch, and why."""
        if self.executor not in get_args(Executor):
            raise UsageError(
                f"executor {self.executor!r} is unknown",
                hint=f"use one of {', '.join(get_args(Executor))}",
            )
        if self.executor != "auto":
            return Choice(self.executor, "asked for")
        return choose(self.config, graphs, self._device, grad=self._trains, memory=self.memory)

    def explain(self, graphs: GraphBatch) -> str:
        """One line: the executor of this batch, and why."""
        choice = self.choice(graphs)
        return f"{choice.executor}: {choice.reason}"

    def plan(self, graph: ParameterGraph) -> Plan:
        """The blocks of an architecture on this metanet's device, made once."""
        return self._plan_of(graph).plan

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _plan_of(self, graph: ParameterGraph) -> _Ready:
        known = self._known.get(id(graph.bundles))
        if known is None:
            # the bundles are kept, so that their id stays theirs; copies of them, as a loader's
            # workers send, find the same plan
            known = self._known[id(graph.bundles)] = graph.bundles, graph.signature
        key = known[1], self._device
        if key not in self._plans:
            self._plans[key] = _Ready(plan_of(graph, limit=self._limit).to(self._device))
        self._plans.move_to_end(key)
        for table in (self._known, self._plans):
            while len(table) > _MOST_PLANS:
                table.popitem(last=False)
        return self._plans[key]

    @property
    def _device(self) -> torch.device:
        return self.encoder.value.weight.device

    @property
    def _trains(self) -> bool:
        return torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())

    @property
    def _rounds(self) -> list[Layer]:
        return list(self.layers)  # type: ignore[arg-type]

    @property
    def _limit(self) -> int:
        numbers = _BLOCK.get(self._device.type, _BLOCK_ELSEWHERE)
        return max(256, numbers // self.config.hidden)

    def _on_data(self, data: Data, readout: nn.Linear | None, executor: str) -> States:
        if executor in ("dense", "stream"):
            raise UsageError(
                f"the {executor} executor reads parameter graphs, not an edge list",
                hint="give a GraphBatch, or use executor='auto', 'flat' or 'reference'",
            )
        graph = FlatGraph.of(data, self.config, self.encoder)
        if executor == "auto":
            executor = on_edge_list(self.config, len(graph.features), grad=self._trains)
        return self._on_edges(graph, readout, executor)

    def _listed(self, graphs: GraphBatch, readout: nn.Linear | None, executor: str) -> States:
        """A batch as an edge list; its edges keep the order of the plan."""
        plan, listing = self._plan_of(graphs.structure).listing(graphs)
        graph = FlatGraph.listed(plan, listing, graphs.values, self.config, self.encoder)
        states = self._on_edges(graph, readout, executor)
        batch = len(graphs)
        edges = None if states.edges is None else states.edges.unflatten(0, (batch, -1))
        return replace(states, nodes=states.nodes.unflatten(0, (batch, -1)), edges=edges)

    def _on_edges(self, graph: FlatGraph, readout: nn.Linear | None, executor: str) -> States:
        if executor == "reference":
            from gmn_fx.gmn.reference import run_reference

            return run_reference(graph, self.encoder, self._rounds, readout)
        return run_flat(graph, self.encoder, self._rounds, readout)

    def extra_repr(self) -> str:
        """The executor."""
        return f"executor={self.executor!r}"

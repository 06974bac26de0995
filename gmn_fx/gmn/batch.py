"""Graphs of one architecture as one structure and stacked values; mixed ones in buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmn_fx.errors import GraphError, UsageError
from gmn_fx.gmn.plan import slot_order
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.graph.values import bound_values


@dataclass(frozen=True)
class GraphBatch:
    """B networks of one architecture.

    graphs: the structures (they differ in the names of slots at most, and share their structure).
    values: one tensor [B, numel] for every slot on edges, in the order of their first use.
    """

    graphs: tuple[ParameterGraph, ...]
    values: tuple[Tensor, ...]

    @property
    def structure(self) -> ParameterGraph:
        """The architecture."""
        return self.graphs[0]

    def __len__(self) -> int:
        return len(self.graphs)

    @classmethod
    def of(cls, graphs: Sequence[ParameterGraph]) -> GraphBatch:
        """Stack the values of graphs of one signature; a single graph is not copied.

        Raises:
            UsageError: there is no graph.
            GraphError: signatures differ (use `buckets`), or a graph has no values.
        """
        if not graphs:
            raise UsageError("a batch needs at least one graph")
        keys = {_key(g) for g in graphs}
        if len(keys) > 1 and len({g.signature for g in graphs}) > 1:
            raise GraphError(
                f"{len(graphs)} graphs of several architectures are not one batch",
                hint="sort them by architecture: gmn_fx.gmn.buckets(graphs)",
            )
        return cls.bind(graphs, [bound_values(g) for g in graphs])

    @classmethod
    def bind(
        cls, graphs: Sequence[ParameterGraph], states: Sequence[Mapping[str, Tensor]]
    ) -> GraphBatch:
        """The same structures on other values, kept in the autograd graph."""
        orders: dict[int, tuple[str, ...]] = {}
        rows: list[list[Tensor]] = []
        for graph, state in zip(graphs, states, strict=True):
            if _key(graph) not in orders:
                orders[_key(graph)] = slot_order(graph)
            rows.append([state[name].reshape(-1) for name in orders[_key(graph)]])
        values = tuple(_stack(column) for column in zip(*rows, strict=True))
        return cls(tuple(graphs), values)

    def to(self, device: torch.device | str) -> GraphBatch:
        """The values on a device."""
        return GraphBatch(self.graphs, tuple(v.to(device) for v in self.values))

    def pin_memory(self) -> GraphBatch:
        """The values in pinned memory, for a `DataLoader(pin_memory=True)`."""
        return GraphBatch(self.graphs, tuple(v.pin_memory() for v in self.values))

    def cast(self, dtype: torch.dtype) -> GraphBatch:
        """The values in a floating dtype."""
        return GraphBatch(self.graphs, tuple(v.to(dtype) for v in self.values))


@dataclass(frozen=True)
class Buckets:
    """Graphs of several architectures; `places[i]`: where the graphs of batch i were."""

    batches: tuple[GraphBatch, ...]
    places: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def to(self, device: torch.device | str) -> Buckets:
        """The values on a device."""
        return Buckets(tuple(b.to(device) for b in self.batches), self.places)

    def pin_memory(self) -> Buckets:
        """The values in pinned memory, for a `DataLoader(pin_memory=True)`."""
        return Buckets(tuple(b.pin_memory() for b in self.batches), self.places)


def buckets(graphs: Iterable[ParameterGraph]) -> Buckets:
    """Sort graphs by signature."""
    known: dict[int, str] = {}
    sorted_: dict[str, list[tuple[int, ParameterGraph]]] = {}
    graphs = list(graphs)
    for i, graph in enumerate(graphs):
        if _key(graph) not in known:
            known[_key(graph)] = graph.signature
        sorted_.setdefault(known[_key(graph)], []).append((i, graph))
    batches = tuple(GraphBatch.of([g for _, g in part]) for part in sorted_.values())
    return Buckets(batches, tuple(tuple(i for i, _ in part) for part in sorted_.values()))


def _key(graph: ParameterGraph) -> int:
    """Equal for graphs that `bind` made of one another."""
    return id(graph.bundles)


def _stack(column: Sequence[Tensor]) -> Tensor:
    if len(column) == 1:
        return column[0].unsqueeze(0)
    return torch.stack(list(column))

"""How large the values, degrees and numbers of nodes are that a vocabulary has seen.

A metanet divides by these constants, so that its states are of order 1 whatever the networks are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gmn_fx.graph.model import Bundle, ParameterGraph
from gmn_fx.graph.schema import edge_kind_id

# Stands for every depth; -1 is the depth of what has none.
ANY_DEPTH = -2
Scales = Mapping[tuple[int, int], float]


@dataclass(frozen=True)
class Sizes:
    """Of a typical graph: edges that end (begin) where an edge ends (begins), nodes, edges.

    Sums are divided by these constants where a metanet sums (`aggregation="sum"`).
    """

    fan_in: float = 1.0
    fan_out: float = 1.0
    nodes: float = 1.0
    edges: float = 1.0


class Measure:
    """Collects mean squares of values, by kind and depth of their edges, and mean sizes."""

    def __init__(self) -> None:
        self._plain: dict[tuple[int, int], tuple[float, int]] = {}
        self._wide: dict[tuple[int, int], tuple[float, int]] = {}
        self._sizes: list[Sizes] = []
        self._factors: dict[int, list[float]] = {}

    def add(self, graph: ParameterGraph) -> None:
        """Count the slots of one network (whole, on whatever edges their elements are)."""
        factors = self._factors.get(id(graph.bundles))
        if factors is None:
            factors = self._factors[id(graph.bundles)] = self._architecture(graph)
        for bundle, factor in zip(graph.bundles, factors, strict=True):
            value = graph.values.get(bundle.slot or "")
            count = math.prod(bundle.shape)
            if bundle.slot is None:
                _count(self._wide, bundle, factor * count, count)
            elif value is not None and value.is_floating_point() and value.numel():
                found = float(value.detach().double().square().sum())
                _count(self._plain, bundle, found, value.numel())
                _count(self._wide, bundle, found * factor, value.numel())

    def scales(self) -> Scales:
        """Root mean squares of values; 1 where all values are 0."""
        return _roots(self._plain)

    def wide_scales(self) -> Scales:
        """The same of values (1 on edges without a parameter) times the fan-in of their target."""
        return _roots(self._wide)

    def sizes(self) -> Sizes:
        """Mean over the architectures."""
        number = max(1, len(self._sizes))
        rows = [(s.fan_in, s.fan_out, s.nodes, s.edges) for s in self._sizes]
        return Sizes(*(sum(column) / number for column in zip(*rows, strict=True)))

    def _architecture(self, graph: ParameterGraph) -> list[float]:
        """Note the sizes; for each bundle the mean square of the fan-in of its targets."""
        fan_in, fan_out = (np.zeros(graph.num_nodes) for _ in range(2))
        ends = [(_ends(b, "src"), _ends(b, "dst")) for b in graph.bundles]
        for bundle, (src, dst) in zip(graph.bundles, ends, strict=True):
            for total, at in ((fan_in, dst), (fan_out, src)):
                if at.size:
                    np.add.at(total, at, math.prod(bundle.shape) / at.size)
        edges = max(1.0, float(fan_in.sum()))
        mean_in, mean_out = (max(1.0, float((f**2).sum()) / edges) for f in (fan_in, fan_out))
        self._sizes.append(Sizes(mean_in, mean_out, float(max(1, graph.num_nodes)), edges))
        return [float((fan_in[dst] ** 2).mean()) if dst.size else 0.0 for _, dst in ends]


def _ends(bundle: Bundle, which: str) -> np.ndarray:
    """The nodes at one side of a bundle, each as often as the others in proportion."""
    return getattr(bundle, which).expand(bundle.shape).compact().reshape(-1)  # type: ignore[no-any-return]


def _count(
    table: dict[tuple[int, int], tuple[float, int]], bundle: Bundle, found: float, number: int
) -> None:
    if not number:
        return
    kind = edge_kind_id(bundle.kind)
    for key in ((kind, bundle.depth), (kind, ANY_DEPTH)):
        before, count = table.get(key, (0.0, 0))
        table[key] = before + found, count + number


def _roots(table: Mapping[tuple[int, int], tuple[float, int]]) -> Scales:
    return {k: (s / n) ** 0.5 if s > 0 else 1.0 for k, (s, n) in table.items()}

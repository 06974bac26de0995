"""Which neurons of each group are drawn: all, or the first and the last of wide groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.graph.model import ParameterGraph

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """rows: group number -> the drawn positions inside it, ascending, for groups with nodes.

    mask: [nodes], True where a node is drawn. strokes: most strokes of one bundle, the strongest
    are taken; None for all.
    """

    rows: dict[int, Array]
    mask: npt.NDArray[np.bool_]
    strokes: int | None = None

    def hidden(self, group: int, size: int) -> int:
        """Nodes of a group that are left out."""
        return size - len(self.rows[group])

    @property
    def nodes(self) -> int:
        """Number of drawn nodes."""
        return sum(len(r) for r in self.rows.values())


def all_shown(graph: ParameterGraph) -> Shown:
    """Every node and every edge: the neuron view."""
    return _shown(graph, {i: np.arange(g.size) for i, g in enumerate(graph.groups) if g.size})


def ends_shown(graph: ParameterGraph, *, ends: int = 5, strokes: int = 100) -> Shown:
    """The hybrid view: `ends` neurons at each end of wide groups, the strongest edges."""
    rows = {}
    for number, group in enumerate(graph.groups):
        if group.size > 2 * ends + 2:
            first, last = np.arange(ends), np.arange(group.size - ends, group.size)
            rows[number] = np.concatenate([first, last])
        elif group.size:
            rows[number] = np.arange(group.size)
    return _shown(graph, rows, strokes)


def _shown(graph: ParameterGraph, rows: dict[int, Array], strokes: int | None = None) -> Shown:
    mask = np.zeros(graph.num_nodes, dtype=bool)
    for number, ks in rows.items():
        mask[graph.groups[number].start + ks] = True
    return Shown(rows, mask, strokes)

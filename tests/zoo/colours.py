"""How many kinds of elements the graph tells apart in each slot, by plain colour refinement.

Written independently of `gmn_fx.symmetry`, on the array form alone, so that each checks the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmn_fx.graph.arrays import materialise
from gmn_fx.graph.model import ParameterGraph

Ids = npt.NDArray[np.int64]


def slot_classes(graph: ParameterGraph) -> dict[str, int]:
    """Slot name -> number of colours among its elements that lie on an edge."""
    arrays = materialise(graph, values=False)
    src, dst = arrays.edge_index.numpy()
    param = arrays.edge_param.numpy()
    kind = _number(arrays.edge_type.numpy())
    node = _number(arrays.x.numpy())
    element = np.zeros(graph.num_parameters, dtype=np.int64)
    on = param >= 0
    count = -1
    while True:
        edge = _number(np.stack([kind, node[src], node[dst], np.where(on, element[param], -1)], 1))
        element = _number(np.stack([element, _bag(param[on], edge[on], len(element))], 1))
        out, into = _bag(src, edge, len(node)), _bag(dst, edge, len(node))
        node = _number(np.stack([node, out, into], 1))
        found = int(node.max(initial=0) + element.max(initial=0))
        if found == count:
            break
        count = found
    carried = np.zeros(graph.num_parameters, dtype=bool)
    carried[param[on]] = True
    out_of: dict[str, int] = {}
    for slot in graph.slots:
        part = slice(slot.offset, slot.offset + slot.numel)
        out_of[slot.name] = len(np.unique(element[part][carried[part]]))
    return out_of


def _number(rows: Ids) -> Ids:
    """The distinct rows of a table, numbered from 0."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _bag(key: Ids, colour: Ids, size: int) -> Ids:
    """A 64-bit hash of the multiset of colours that arrive at each key."""
    noise = (colour.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        noise = (noise ^ (noise >> np.uint64(shift))) * np.uint64(factor)
    total = np.zeros(size, dtype=np.uint64)
    np.add.at(total, key, noise ^ (noise >> np.uint64(31)))
    return total.view(np.int64)

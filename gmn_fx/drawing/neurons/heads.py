"""Attention heads: neurons of a product that go into one and the same sum stand together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.graph.model import Bundle, ParameterGraph

Array = npt.NDArray[np.int64]

# Larger bundles are not looked at: pictures with so many nodes have no room for boxes.
_MOST_EDGES = 200_000
_UNKNOWN = -1


@dataclass(frozen=True)
class Block:
    """Neurons `first .. first + size - 1` of a group that belong to head number `head`."""

    group: int
    first: int
    size: int
    head: int


def heads_of(graph: ParameterGraph) -> list[Block]:
    """The heads of every group that has them.

    Read off the structure: products are added up into one node a head, that node goes into the
    products of its head, and operands go one to one from the projections into the products.
    """
    head = np.full(graph.num_nodes, _UNKNOWN, dtype=np.int64)
    kind = np.full(graph.num_nodes, "", dtype=object)
    for group in graph.groups:
        kind[group.start : group.start + group.size] = group.kind
    pairs = [_ends(b) for b in graph.bundles if math.prod(b.shape) <= _MOST_EDGES]
    sums = [p for p in pairs if (kind[p[0]] == "product").all() and (kind[p[1]] == "sum").all()]
    for src, dst in sums:
        members = np.unique(dst)
        if 1 < len(members) < len(np.unique(src)):
            head[dst] = head[src] = np.searchsorted(members, dst)
    if (head == _UNKNOWN).all():
        return []
    for src, dst in pairs:
        # From the sums into the products of the values: one source for a whole head.
        if (kind[dst] == "product").all() and (kind[src] == "sum").all():
            head[dst] = np.where(head[dst] == _UNKNOWN, head[src], head[dst])
    for src, dst in pairs:
        # From the projections into the products, backwards, one to one.
        if (kind[dst] == "product").all() and len(np.unique(src)) == len(src):
            head[src] = np.where(head[src] == _UNKNOWN, head[dst], head[src])
    return [b for number in range(len(graph.groups)) for b in _blocks(graph, number, head)]


def _ends(bundle: Bundle) -> tuple[Array, Array]:
    src = bundle.src.expand(bundle.shape).array().reshape(-1)
    return src, bundle.dst.expand(bundle.shape).array().reshape(-1)


def _blocks(graph: ParameterGraph, number: int, head: Array) -> list[Block]:
    """Runs of equal heads in a group, if every node has one and no run is a single node."""
    group = graph.groups[number]
    inside = head[group.start : group.start + group.size]
    if not len(inside) or (inside == _UNKNOWN).any() or group.kind == "sum":
        return []
    starts = np.flatnonzero(np.concatenate([[True], inside[1:] != inside[:-1]]))
    sizes = np.diff(np.append(starts, len(inside)))
    if (sizes < 2).any() or len(starts) < 2:
        return []
    return [
        Block(number, int(a), int(n), int(inside[a])) for a, n in zip(starts, sizes, strict=True)
    ]

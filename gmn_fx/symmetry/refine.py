"""Colour refinement (1-WL) of a typed multigraph, to the coarsest stable colouring.

Two nodes keep one colour only while they see equal multisets of (edge type, direction, colour of
the other end). A parameter on several edges is a *hyper-node* joined to each of them: those edges
become nodes themselves, so that whatever moves one of them moves the others.

Multisets are compared by sums of 64-bit mixed hashes; with a million nodes two different ones
collide with probability below 1e-7. A collision can only leave the colouring too coarse, and
every automorphism that is built on it is checked exactly afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gmn_fx.symmetry.typed import Array, TypedGraph

Hash = npt.NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(values: npt.NDArray[np.integer]) -> Hash:
    """A fixed pseudo-random 64-bit number for each 64-bit number (the finaliser of splitmix64)."""
    x = values.astype(np.uint64) + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MULTIPLIERS[0]
    x = (x ^ (x >> np.uint64(27))) * _MULTIPLIERS[1]
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class Links:
    """A plain coloured multigraph: the nodes of a `TypedGraph`, then its tied edges, then the
    parameters that tie them.

    colour: initial colour of each node. start: node v tells its colour to the entries
    `start[v] .. start[v + 1]`; other: who hears it; role: hash of link type and direction.
    tied: the edges (indices) that became nodes `base ..`.
    """

    colour: Array
    start: Array
    other: Array
    role: Hash
    base: int
    tied: Array

    @property
    def size(self) -> int:
        """Number of nodes, hyper-nodes included."""
        return len(self.colour)


def links_of(graph: TypedGraph) -> Links:
    """Turn tied edges and their parameters into nodes; index the links by the end that speaks."""
    on = graph.param >= 0
    uses = np.bincount(graph.param[on]) if on.any() else np.zeros(1, dtype=np.int64)
    is_tied = on & (uses[graph.param] > 1)
    tied, free = np.flatnonzero(is_tied), np.flatnonzero(~is_tied)
    holders, holder = np.unique(graph.param[tied], return_inverse=True)
    node_types = int(graph.node_type.max(initial=-1)) + 1
    edge_types = int(graph.edge_type.max(initial=-1)) + 1
    base = graph.num_nodes
    edge_node = base + np.arange(len(tied))
    slot_node = base + len(tied) + holder
    tail = np.concatenate([graph.src[free], graph.src[tied], edge_node, edge_node])
    head = np.concatenate([graph.dst[free], edge_node, graph.dst[tied], slot_node])
    kinds = np.repeat(edge_types + np.arange(3), len(tied))
    kind = np.concatenate([graph.edge_type[free], kinds])
    tied_colour = node_types + graph.edge_type[tied]
    slot_colour = np.full(len(holders), node_types + edge_types, dtype=np.int64)
    colour = np.concatenate([graph.node_type, tied_colour, slot_colour])
    return _index(colour, tail, head, kind, base, tied)


def _index(colour: Array, tail: Array, head: Array, kind: Array, base: int, tied: Array) -> Links:
    """Sort both directions of every link by the end that speaks."""
    speaker = np.concatenate([tail, head])
    hearer = np.concatenate([head, tail])
    role = mix(np.concatenate([2 * kind, 2 * kind + 1]))
    order = np.argsort(speaker, kind="stable")
    start = np.zeros(len(colour) + 1, dtype=np.int64)
    np.cumsum(np.bincount(speaker, minlength=len(colour)), out=start[1:])
    dense = np.unique(colour, return_inverse=True)[1]
    return Links(dense, start, hearer[order], role[order], base, tied)


@dataclass
class Colouring:
    """A colouring of one or two copies of `links`, refined in place.

    colour: of node v in copy k at `k * links.size + v`. size: nodes of each colour. count:
    number of colours. work: entries read so far.
    """

    links: Links
    copies: int
    colour: Array
    size: Array
    count: int
    work: int = 0

    def copy(self) -> Colouring:
        """An independent copy."""
        return replace(self, colour=self.colour.copy(), size=self.size.copy())

    def twice(self) -> Colouring:
        """Two copies with the colours of this one."""
        colour = np.concatenate([self.colour, self.colour])
        size = np.concatenate([2 * self.size, np.zeros_like(self.size)])
        return Colouring(self.links, 2, colour, size, self.count)

    def members(self, colour: int, copy: int = 0) -> Array:
        """Nodes of one colour in one copy, numbered as in the graph."""
        n = self.links.size
        return np.flatnonzero(self.colour[copy * n : (copy + 1) * n] == colour)

    def individualise(self, *images: Array) -> bool:
        """Give the i-th node of every copy a colour of its own, then refine.

        Args:
            images: for each copy, nodes of one cell; all of one length.

        Returns:
            Whether the copies still look alike.
        """
        cells = self.colour[images[0]]
        fresh = np.arange(self.count, self.count + len(cells))
        nodes = np.concatenate([image + k * self.links.size for k, image in enumerate(images)])
        np.subtract.at(self.size, self.colour[nodes], 1)
        self.colour[nodes] = np.tile(fresh, self.copies)
        self.size[fresh] = self.copies
        self.count += len(fresh)
        return self.refine(nodes)

    def refine(self, changed: Array) -> bool:
        """Refine to a fixed point after the nodes `changed` got new colours.

        Nodes that were alike saw equal multisets of the *old* colours, so it is enough to compare
        what they see of the changed nodes.

        Returns:
            False as soon as some colour is not as frequent in one copy as in the other.
        """
        while len(changed):
            hearers, heard = self._listen(changed)
            split = self._split(hearers, heard)
            if split is None:
                return False
            changed = split
        return True

    def _listen(self, changed: Array) -> tuple[Array, Hash]:
        """Who hears of the changed nodes, and the hash of the multiset that each hears."""
        node = changed % self.links.size
        first = self.links.start[node]
        length = self.links.start[node + 1] - first
        entry = _ranges(first, length)
        self.work += len(entry)
        hearer = self.links.other[entry] + np.repeat(changed - node, length)
        # Roles are hashes, colours are small: no role and colour can change places.
        colour = self.colour[changed].astype(np.uint64)
        said = mix(self.links.role[entry] + np.repeat(colour, length))
        return _sum_by_key(hearer, said, len(self.colour))

    def _split(self, nodes: Array, heard: Hash) -> Array | None:
        """Split cells by what was heard; the nodes with new colours, or None if unbalanced."""
        old = self.colour[nodes]
        _, part, count = np.unique(mix(heard + mix(old)), return_inverse=True, return_counts=True)
        if self.copies == 2:
            second = np.bincount(part, weights=nodes >= self.links.size, minlength=len(count))
            if np.any(2 * second != count):
                return None
        cell_of = np.zeros(len(count), dtype=np.int64)
        cell_of[part] = old
        cells, cell = np.unique(cell_of, return_inverse=True)
        heard_by = np.bincount(cell, weights=count).astype(np.int64)
        rest = self.size[cells] - heard_by
        # Where nobody is left behind, the largest part keeps the colour of the cell.
        order = np.lexsort((count, cell))
        largest = order[np.flatnonzero(np.diff(cell[order], append=-1))]
        keeps = np.zeros(len(count), dtype=bool)
        keeps[largest] = rest[cell[largest]] == 0
        fresh = np.arange(self.count, self.count + int(np.count_nonzero(~keeps)))
        self.size[cells] = rest
        self.size[cell_of[keeps]] = count[keeps]
        self.size[fresh] = count[~keeps]
        self.count += len(fresh)
        cell_of[~keeps] = fresh
        self.colour[nodes] = cell_of[part]
        return nodes[~keeps[part]]


def stable_colouring(links: Links) -> Colouring:
    """The coarsest stable colouring that refines the types of the nodes."""
    count = int(links.colour.max(initial=-1)) + 1
    size = np.zeros(2 * links.size + 2, dtype=np.int64)
    size[:count] = np.bincount(links.colour, minlength=count)
    out = Colouring(links, 1, links.colour.copy(), size, count)
    out.refine(np.arange(links.size))
    return out


def _ranges(first: Array, length: Array) -> Array:
    """Concatenate `first[i] .. first[i] + length[i]`."""
    before = np.cumsum(length) - length
    return np.arange(int(length.sum())) + np.repeat(first - before, length)


def _sum_by_key(key: Array, value: Hash, size: int) -> tuple[Array, Hash]:
    """Distinct keys and the (wrapping) sum of the values of each."""
    if 4 * len(key) < size:
        keys, index = np.unique(key, return_inverse=True)
        total = np.zeros(len(keys), dtype=np.uint64)
        np.add.at(total, index, value)
        return keys, total
    dense = np.zeros(size, dtype=np.uint64)
    np.add.at(dense, key, value)
    present = np.zeros(size, dtype=bool)
    present[key] = True
    keys = np.flatnonzero(present)
    return keys, dense[keys]

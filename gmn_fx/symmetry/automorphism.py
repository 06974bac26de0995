"""Random automorphisms of a typed multigraph: individualise and refine on two copies.

A cell of the stable colouring is mapped to itself by a random bijection all at once: right for
interchangeable hidden units. Where a cell has inner structure (units within heads) the copies
stop looking alike; then a single node is mapped and the cell falls apart by itself. Smallest
cells come first, because they are the ones that structure the larger ones. Whatever comes out is
checked exactly: a wrong guess costs time, never truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmn_fx.symmetry.refine import Colouring, Links, links_of, stable_colouring
from gmn_fx.symmetry.typed import Array, TypedGraph, row_ids

_TRIES_PER_CELL = 8
_RESTARTS = 6


@dataclass(frozen=True)
class Symmetry:
    """A typed multigraph with its stable colouring, from which automorphisms are drawn."""

    graph: TypedGraph
    links: Links
    stable: Colouring

    @staticmethod
    def of(graph: TypedGraph) -> Symmetry:
        """Refine `graph` to its stable colouring."""
        links = links_of(graph)
        return Symmetry(graph, links, stable_colouring(links))

    @property
    def node_colour(self) -> Array:
        """Stable colour of each node of the graph (hyper-nodes left out)."""
        return self.stable.colour[: self.graph.num_nodes]

    @property
    def num_cells(self) -> int:
        """Number of cells of the stable colouring, hyper-nodes included."""
        return int(np.count_nonzero(self.stable.size))

    def has_parallel_edges(self) -> bool:
        """Whether two edges with a parameter agree in ends and type: they may be exchanged."""
        on = self.graph.param >= 0
        key = _edge_key(self.graph, np.arange(self.graph.num_nodes))[on]
        return len(np.unique(key)) < len(key)


@dataclass(frozen=True)
class Automorphism:
    """node: image of each node. edge: image of each edge. Both are bijections."""

    node: Array
    edge: Array

    def moved_nodes(self) -> int:
        """How many nodes have another image than themselves."""
        return int(np.count_nonzero(self.node != np.arange(len(self.node))))


def random_automorphism(
    symmetry: Symmetry,
    rng: np.random.Generator,
    *,
    move: tuple[int, int] | None = None,
    stir: bool = False,
) -> Automorphism | None:
    """Draw an automorphism of the graph; None if the search gave up.

    Args:
        symmetry: the graph with its stable colouring.
        rng: source of the choices.
        move: map this node to that one and keep all others where they are, as far as possible.
        stir: leave no cell as it is. A small cell (two branches that look alike) stays in place
            by chance too often for a few samples to be a proof.
    """
    for _ in range(_RESTARTS):
        full = _draw(symmetry, rng, move, stir)
        if full is None:
            continue
        node = full[: symmetry.graph.num_nodes]
        edge = _edge_map(symmetry, full, rng)
        if edge is not None and is_automorphism(symmetry.graph, node, edge):
            return Automorphism(node, edge)
    return None


def is_automorphism(graph: TypedGraph, node: Array, edge: Array) -> bool:
    """Check exactly: bijections that keep types, ends and ties between edges."""
    return (
        _is_bijection(node)
        and _is_bijection(edge)
        and np.array_equal(graph.node_type[node], graph.node_type)
        and np.array_equal(graph.src[edge], node[graph.src])
        and np.array_equal(graph.dst[edge], node[graph.dst])
        and np.array_equal(graph.edge_type[edge], graph.edge_type)
        and parameter_map(graph, edge, 0) is not None
    )


def parameter_map(graph: TypedGraph, edge: Array, size: int) -> Array | None:
    """Where each parameter of the flat vector goes; parameters on no edge stay.

    Returns:
        A permutation of `range(max(size, largest index + 1))`, or None if the edges that share
        a parameter do not agree or if two parameters would land on one.
    """
    origin, image = graph.param, graph.param[edge]
    if np.any((origin < 0) != (image < 0)):
        return None
    on = origin >= 0
    out = np.arange(max(size, int(origin.max(initial=-1)) + 1))
    out[origin[on]] = image[on]
    if not np.array_equal(out[origin[on]], image[on]) or not _is_bijection(out):
        return None
    return out


def sampled_orbits(nodes: int, maps: list[Array]) -> Array:
    """Orbits of the group that some node maps generate: smallest node of each orbit."""
    orbit = np.arange(nodes)
    while True:
        before = orbit.copy()
        for image in maps:
            low = np.minimum(orbit, orbit[image])
            orbit = low.copy()
            np.minimum.at(orbit, image, low)
        orbit = orbit[orbit]
        if np.array_equal(before, orbit):
            return orbit


def _draw(
    symmetry: Symmetry, rng: np.random.Generator, move: tuple[int, int] | None, stir: bool
) -> Array | None:
    """One try: a map of all nodes (hyper-nodes included) onto themselves."""
    pair = symmetry.stable.twice()
    if move is not None and not pair.individualise(np.array([move[0]]), np.array([move[1]])):
        return None
    while True:
        cell = _smallest_cell(pair)
        if cell is None:
            break
        settled = _settle(pair, cell, rng, keep=move is not None, stir=stir)
        if settled is None:
            return None
        pair = settled
    n = symmetry.links.size
    out = np.empty(n, dtype=np.int64)
    out[np.argsort(pair.colour[:n])] = np.argsort(pair.colour[n:])
    return out


def _smallest_cell(pair: Colouring) -> int | None:
    """The colour with the fewest nodes among those with more than one in a copy."""
    size = pair.size[: pair.count]
    open_cells = np.flatnonzero(size > 2)
    if not len(open_cells):
        return None
    return int(open_cells[np.argmin(size[open_cells])])


def _settle(
    pair: Colouring, cell: int, rng: np.random.Generator, *, keep: bool, stir: bool
) -> Colouring | None:
    """Map a cell of the first copy to the second, all of it or, failing that, one node."""
    left, right = pair.members(cell, 0), pair.members(cell, 1)
    trial = pair.copy()
    if trial.individualise(left, _images(left, right, rng, keep=keep, stir=stir)):
        return trial
    candidates = rng.permutation(right)
    if keep or stir:
        stays = candidates == left[0]
        first, then = (stays, ~stays) if keep else (~stays, stays)
        candidates = np.concatenate([candidates[first], candidates[then]])
    for image in candidates[:_TRIES_PER_CELL]:
        trial = pair.copy()
        if trial.individualise(left[:1], np.array([image])):
            return trial
    return None


def _images(
    left: Array, right: Array, rng: np.random.Generator, *, keep: bool, stir: bool
) -> Array:
    """A random order of `right`; `keep` and `stir` say whether nodes in both cells stay."""
    if not keep:
        out = rng.permutation(right)
        return np.roll(out, 1) if stir and np.array_equal(out, left) else out
    stays = np.isin(left, right)
    out = np.empty_like(left)
    out[stays] = left[stays]
    out[~stays] = rng.permutation(right[~np.isin(right, left)])
    return out


def _edge_map(symmetry: Symmetry, full: Array, rng: np.random.Generator) -> Array | None:
    """The edge map that a map of nodes and hyper-nodes implies; None if edges have no image."""
    graph, links = symmetry.graph, symmetry.links
    out = np.empty(graph.num_edges, dtype=np.int64)
    image = full[links.base + np.arange(len(links.tied))] - links.base
    if np.any((image < 0) | (image >= len(links.tied))):
        return None
    out[links.tied] = links.tied[image]
    free = np.ones(graph.num_edges, dtype=bool)
    free[links.tied] = False
    loose = np.flatnonzero(free)
    # Parallel edges of one type are interchangeable: the second key exchanges them at random.
    node = full[: graph.num_nodes]
    both = _edge_key(graph, np.arange(graph.num_nodes), node)
    here, there = both[: graph.num_edges][loose], both[graph.num_edges :][loose]
    order = np.lexsort((rng.random(len(loose)), here))
    mapped = np.argsort(there, kind="stable")
    if not np.array_equal(here[order], there[mapped]):
        return None
    out[loose[mapped]] = loose[order]
    return out


def _edge_key(graph: TypedGraph, *maps: Array) -> Array:
    """One integer for (source, destination, type) of each edge, under each node map in turn."""
    src = np.concatenate([node[graph.src] for node in maps])
    dst = np.concatenate([node[graph.dst] for node in maps])
    kind = np.tile(graph.edge_type, len(maps))
    kinds = int(kind.max(initial=0)) + 1
    if graph.num_nodes**2 * kinds < 2**63:
        return (src * graph.num_nodes + dst) * kinds + kind
    return row_ids([src, dst, kind])


def _is_bijection(image: Array) -> bool:
    """Whether `image` is a permutation of `range(len(image))`."""
    seen = np.zeros(len(image), dtype=bool)
    if len(image) and (image.min() < 0 or image.max() >= len(image)):
        return False
    seen[image] = True
    return bool(seen.all())

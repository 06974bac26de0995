"""What symmetry was found, group by group, in the terms of the field.

Orbits are read off the stable colouring. Colour classes are unions of orbits; they *are* orbits
whenever the sampled automorphisms already join all their nodes, and each row says so (`exact`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.graph.model import Group, ParameterGraph
from gmn_fx.symmetry.automorphism import Symmetry
from gmn_fx.symmetry.refine import Colouring
from gmn_fx.symmetry.typed import Array

# Entries that the search for blocks may read: bounds it to about a second.
_PROBE_WORK = 20_000_000
_NOUNS = {
    "neuron": "hidden units",
    "channel": "channels",
    "bias": "bias nodes",
    "input": "inputs",
    "constant": "constants",
    "vocabulary": "vocabulary entries",
    "position": "positions",
    "statistic": "statistics",
    "product": "products",
    "sum": "sums",
    "state": "state units",
    "opaque": "opaque nodes",
}


@dataclass(frozen=True)
class OrbitRow:
    """Symmetry of one node group.

    title: what the nodes are in words. nodes: size of the group. orbits: colour classes among
    them. free: nodes that some automorphism may move. sizes: (orbit size, how many), largest
    first. exact: the sampled automorphisms prove that each class is one orbit.
    """

    group: str
    kind: str
    op: str
    depth: int
    title: str
    nodes: int
    orbits: int
    free: int
    sizes: tuple[tuple[int, int], ...]
    exact: bool


def orbit_table(graph: ParameterGraph, symmetry: Symmetry, sampled: Array) -> tuple[OrbitRow, ...]:
    """One row for each group of the graph.

    Args:
        graph: the graph.
        symmetry: its stable colouring.
        sampled: for each node, a name of its orbit under the sampled automorphisms.
    """
    blocks = find_blocks(symmetry)
    heads = _head_cells(graph, symmetry)
    residual = _residual_nodes(graph, symmetry)
    rows = []
    for group in graph.groups:
        nodes = np.arange(group.start, group.start + group.size)
        colours, counts = np.unique(symmetry.node_colour[nodes], return_counts=True)
        whole = symmetry.stable.size[colours]
        seen = len(np.unique(sampled[nodes]))
        title = _title(group, colours, whole, blocks, heads, bool(residual[nodes].any()))
        rows.append(
            OrbitRow(
                group=group.name,
                kind=group.kind,
                op=group.op,
                depth=group.depth,
                title=title,
                nodes=group.size,
                orbits=len(colours),
                free=int(counts[whole > 1].sum()),
                sizes=tuple(sorted(Counter(counts.tolist()).items(), reverse=True)),
                exact=seen == len(colours),
            )
        )
    return tuple(rows)


def find_blocks(symmetry: Symmetry) -> dict[int, tuple[int, int, int]]:
    """Cells that fall into equal blocks when a node elsewhere is singled out.

    Returns:
        Colour -> (number of blocks, nodes in a block, colour whose nodes name the blocks). Units
        within heads: the blocks are named by the nodes of the softmax.
    """
    stable = symmetry.stable
    size = stable.size[: stable.count]
    out: dict[int, tuple[int, int, int]] = {}
    work = 0
    # Finer block systems are found last and do not replace coarser ones.
    for cell in np.argsort(size, kind="stable"):
        if size[cell] < 2 or work > _PROBE_WORK:
            continue
        probe = stable.copy()
        probe.individualise(stable.members(int(cell))[:1])
        work += probe.work - stable.work + symmetry.links.size
        for other, part in _parts(stable, probe).items():
            count, rest = divmod(int(size[other]), part)
            names_blocks = other == cell or count == size[cell]
            if other not in out and names_blocks and not rest and count > 1 and part > 1:
                out[other] = (count, part, int(cell))
    return out


def _parts(stable: Colouring, probe: Colouring) -> dict[int, int]:
    """Cells that one node splits in two, and how many nodes the smaller part has."""
    changed = np.flatnonzero(probe.colour != stable.colour)
    pairs, count = np.unique(
        np.stack([stable.colour[changed], probe.colour[changed]]), axis=1, return_counts=True
    )
    pieces: dict[int, list[int]] = {}
    for cell, size in zip(pairs[0].tolist(), count.tolist(), strict=True):
        pieces.setdefault(cell, []).append(size)
    out = {}
    for cell, sizes in pieces.items():
        rest = int(stable.size[cell]) - sum(sizes)
        parts = sorted([*sizes, *([rest] if rest else [])])
        if len(parts) == 2:
            out[cell] = parts[0]
        elif len(parts) == 3 and parts[0] == 1:
            out[cell] = parts[1] + 1  # the node itself, its block, all others
    return out


def _title(
    group: Group,
    colours: Array,
    whole: Array,
    blocks: dict[int, tuple[int, int, int]],
    heads: set[int],
    residual: bool,
) -> str:
    """What the nodes of a group are, in words."""
    noun = _NOUNS.get(group.kind, group.kind)
    free = colours[whole > 1]
    if not len(free):
        return f"{noun.removeprefix('hidden ')} (fixed)"
    for colour in free.tolist():
        if colour in blocks:
            count, part, owner = blocks[colour]
            unit, of = ("units", "heads") if owner in heads else (noun, "groups")
            return f"{unit} within {of} ({count} x {part})"
    if any(colour in heads for colour in free.tolist()):
        return "heads"
    return "channels (residual stream)" if residual else noun


def _head_cells(graph: ParameterGraph, symmetry: Symmetry) -> set[int]:
    """Cells with nodes of an attention: made by a softmax or by a product of two activations."""
    out: set[int] = set()
    for group in graph.groups:
        if any(word in group.op for word in ("softmax", "matmul", "attention", "sdpa")):
            nodes = slice(group.start, group.start + group.size)
            out.update(np.unique(symmetry.node_colour[nodes]).tolist())
    return out


def _residual_nodes(graph: ParameterGraph, symmetry: Symmetry) -> npt.NDArray[np.bool_]:
    """Nodes of a residual stream: made by a residual sum, or at an end of a residual edge."""
    out = np.zeros(symmetry.graph.num_nodes, dtype=bool)
    for group in graph.groups:
        if group.op == "residual":
            out[group.start : group.start + group.size] = True
    for bundle in graph.bundles:
        if bundle.kind == "residual" or bundle.op == "residual":
            out[bundle.src.array().reshape(-1)] = True
            out[bundle.dst.array().reshape(-1)] = True
    return out

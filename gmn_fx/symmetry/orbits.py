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
# Ops that make the nodes of an attention: scores, their normalisation, the mix of values.
_ATTENTION = ("softmax", "matmul", "bmm", "einsum", "attention", "sdpa")
_SUMS = ("sum", "statistic", "neuron", "opaque")
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
    heads = _head_cells(graph, symmetry, blocks)
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


@dataclass(frozen=True)
class Blocks:
    """A cell that falls into `count` equal blocks of `part` nodes.

    owner: colour of the nodes that name the blocks, `same` if each names one. Units within heads
    are blocks that the nodes of the softmax name; a cell may also be its own owner.
    """

    count: int
    part: int
    owner: int
    same: bool


def find_blocks(symmetry: Symmetry) -> dict[int, list[Blocks]]:
    """Single out one node of each cell in turn and see which cells fall into blocks.

    Returns:
        Colour -> the block systems found, those with fewest owners first.
    """
    stable = symmetry.stable
    size = stable.size[: stable.count]
    out: dict[int, list[Blocks]] = {}
    work = 0
    for cell in np.argsort(size, kind="stable").tolist():
        if size[cell] < 2 or work > _PROBE_WORK:
            continue
        probe = stable.copy()
        probe.individualise(stable.members(cell)[:1])
        work += probe.work - stable.work + symmetry.links.size
        for other, part in _parts(stable, probe).items():
            count, rest = divmod(int(size[other]), part)
            named = other == cell or not size[cell] % count
            if named and not rest and count > 1 and part > 1:
                same = other != cell and count == size[cell]
                out.setdefault(other, []).append(Blocks(count, part, cell, same))
    return out


def _parts(stable: Colouring, probe: Colouring) -> dict[int, int]:
    """Cells that singling out one node splits, and the size of the block around that node."""
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
        if parts[0] > 1:
            out[cell] = parts[0]
        elif len(parts) == 3:
            out[cell] = parts[1] + 1  # the node itself, its block, all others
    return out


def _title(
    group: Group,
    colours: Array,
    whole: Array,
    blocks: dict[int, list[Blocks]],
    heads: set[int],
    residual: bool,
) -> str:
    """What the nodes of a group are, in words."""
    noun = _NOUNS.get(group.kind, group.kind)
    free = colours[whole > 1].tolist()
    if not free:
        return f"{noun.removeprefix('hidden ')} (fixed)"
    is_head = any(colour in heads for colour in free)
    found = [b for colour in free for b in blocks.get(colour, ())]
    # One block a head explains most, then blocks of heads, then whatever came first.
    found.sort(key=lambda b: (b.owner not in heads, not b.same))
    if found:
        best = found[0]
        of_heads = best.owner in heads and not is_head
        unit, of = ("units", "heads") if of_heads else ("heads" if is_head else noun, "groups")
        return f"{unit} within {of} ({best.count} x {best.part})"
    if is_head:
        return "heads"
    return "channels (residual stream)" if residual else noun


def _head_cells(
    graph: ParameterGraph, symmetry: Symmetry, blocks: dict[int, list[Blocks]]
) -> set[int]:
    """Cells with one node a head: sums made by an attention that name blocks of other cells."""
    named = [b for found in blocks.values() for b in found if b.same]
    sizes = {b.count for b in named}
    out: set[int] = set()
    for group in graph.groups:
        if group.kind in _SUMS and any(word in group.op for word in _ATTENTION):
            nodes = slice(group.start, group.start + group.size)
            cells = np.unique(symmetry.node_colour[nodes])
            out.update(c for c in cells.tolist() if int(symmetry.stable.size[c]) in sizes)
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

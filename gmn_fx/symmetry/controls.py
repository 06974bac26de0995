"""Negative controls: what must change the output, and where a wrong graph breaks first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from gmn_fx.graph.model import ParameterGraph, Slot
from gmn_fx.symmetry.automorphism import Symmetry, parameter_map, random_automorphism
from gmn_fx.symmetry.report import ColumnControl, Culprit, SlotControl
from gmn_fx.symmetry.typed import Array, Columns, typed_graph

# How the output changes when the flat vector is permuted by this image.
Change = Callable[[Array], float]

COLUMNS = ("label", "operand", "history", "op")
_MOST_SLOTS = 48
_MOST_PER_KIND = 8
_MOST_CULPRITS = 64
_TRIES = 3


def slot_controls(
    graph: ParameterGraph, columns: Columns, change: Change, tolerance: float, seed: int
) -> tuple[SlotControl, ...]:
    """Shuffle the elements of one slot at a time: the output must notice.

    A slot may be insensitive for a good reason (the key bias under a softmax), all may not.
    """
    rng = np.random.default_rng([seed, 1])
    kinds = _kinds(graph)
    used = np.zeros(len(columns.category), dtype=bool)
    used[columns.param[columns.param >= 0]] = True
    identity = np.arange(len(columns.category))
    out = []
    for slot in _chosen(graph.slots, kinds):
        elements = slot.offset + np.flatnonzero(used[slot.offset : slot.offset + slot.numel])
        if len(elements) < 2:
            continue
        image = identity.copy()
        order = rng.permutation(elements)
        image[order] = np.roll(order, 1)  # one cycle: no element stays, however short the slot
        size = change(image)
        out.append(SlotControl(slot.name, kinds[slot.name], size, size > tolerance))
    return tuple(out)


def column_controls(
    columns: Columns, full: Symmetry, change: Change, tolerance: float, seed: int
) -> tuple[ColumnControl, ...]:
    """Forget one column at a time: symmetry that appears must break the network."""
    out = []
    for index, column in enumerate(COLUMNS):
        poor = Symmetry.of(typed_graph(columns, forget=(column,)))
        if poor.num_cells == full.num_cells and not poor.has_parallel_edges():
            out.append(ColumnControl(column, "not needed", 0.0))
            continue
        rng = np.random.default_rng([seed, 2, index])
        size = len(columns.category)
        changes = [_change_of(poor, size, change, rng, stir=k % 2 == 0) for k in range(_TRIES)]
        known = [c for c in changes if c is not None]
        most = max(known, default=0.0)
        if most > tolerance:
            out.append(ColumnControl(column, "caught", most))
        else:
            out.append(ColumnControl(column, "harmless" if known else "undecided", most))
    return tuple(out)


def find_culprits(
    graph: ParameterGraph,
    symmetry: Symmetry,
    size: int,
    change: Change,
    tolerance: float,
    seed: int,
) -> tuple[Culprit, ...]:
    """Automorphisms that move as little as possible and still change the output, by group."""
    out = []
    names = [(slot.offset, slot.offset + slot.numel, slot.name) for slot in graph.slots]
    for tried, (group, nodes) in enumerate(small_moves(graph, symmetry)):
        if tried == _MOST_CULPRITS:
            break
        rng = np.random.default_rng([seed, 3, tried])
        found = random_automorphism(symmetry, rng, move=nodes)
        if found is None:
            continue
        image = parameter_map(symmetry.graph, found.edge, size)
        if image is None:
            continue
        error = change(image)
        if error > tolerance:
            moved = np.flatnonzero(image != np.arange(len(image)))
            slots = tuple(name for a, b, name in names if np.any((moved >= a) & (moved < b)))
            out.append(Culprit(group, nodes, slots, error))
    return tuple(out)


def fresh_where_unused(
    flat: torch.Tensor, other: torch.Tensor, graph: ParameterGraph, columns: Columns
) -> torch.Tensor:
    """`flat`, with the elements that are on no edge taken from `other`."""
    unused = torch.ones(len(flat), dtype=torch.bool)
    unused[torch.from_numpy(columns.param[columns.param >= 0].copy())] = False
    for slot in graph.slots:
        if not slot.dtype.is_floating_point and not slot.dtype.is_complex:
            unused[slot.offset : slot.offset + slot.numel] = False
    return torch.where(unused, other, flat)


def _change_of(
    symmetry: Symmetry, size: int, change: Change, rng: np.random.Generator, *, stir: bool
) -> float | None:
    """How a random automorphism changes the output; None if none was found."""
    found = random_automorphism(symmetry, rng, stir=stir)
    image = None if found is None else parameter_map(symmetry.graph, found.edge, size)
    return None if image is None else change(image)


def _kinds(graph: ParameterGraph) -> dict[str, tuple[str, ...]]:
    """Edge kinds on which the elements of each slot lie."""
    out: dict[str, set[str]] = {slot.name: set() for slot in graph.slots}
    for bundle in graph.bundles:
        if bundle.slot is not None:
            out[bundle.slot].add(bundle.kind)
    return {name: tuple(sorted(kinds)) for name, kinds in out.items()}


def _chosen(slots: tuple[Slot, ...], kinds: dict[str, tuple[str, ...]]) -> list[Slot]:
    """A bounded number of slots: of each kind some, spread over the depth of the network."""
    by_kind: dict[tuple[str, ...], list[Slot]] = {}
    for slot in slots:
        if kinds[slot.name] and slot.numel > 1:
            by_kind.setdefault(kinds[slot.name], []).append(slot)
    out: list[Slot] = []
    for group in by_kind.values():
        step = max(1, -(-len(group) // _MOST_PER_KIND))
        out.extend(group[::step])
    return out[:_MOST_SLOTS]


def small_moves(graph: ParameterGraph, symmetry: Symmetry) -> list[tuple[str, tuple[int, int]]]:
    """For each cell, its first node and another of the same cell, with the name of the group."""
    out = []
    seen: set[int] = set()
    for group in graph.groups:
        colours = symmetry.node_colour[group.start : group.start + group.size]
        for colour in np.unique(colours).tolist():
            if colour in seen:
                continue
            seen.add(colour)
            cell = symmetry.stable.members(colour)
            if len(cell) > 1:
                out.append((group.name or group.op, (int(cell[0]), int(cell[1]))))
    return out

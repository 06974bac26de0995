"""The verifier: constraints P1, P2 and P7 on one graph.

P1 coverage (coverage.py), P2 exactness (only with level="values": it reads every weight) and P7
(endpoints, vocabulary, groups, and in duplicates.py edges that nothing tells apart). P3 and P4 are
the oracle's; P5 and P6 compare several extractions and are held by tests.

A graph of the paper's construction has parallel edges that nothing tells apart on purpose; it says
so (`established parallel-edges`), and P7 holds but for them.

A raw graph (before `collapse-weight-sharing`) still has several nodes for one neuron: of it only
the shape of things is checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

from gmn_fx.errors import GraphError
from gmn_fx.graph.coverage import check_p1
from gmn_fx.graph.duplicates import check_duplicates
from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import PARALLEL, Bundle, Group, ParameterGraph, Slot
from gmn_fx.graph.schema import edge_kind_id, node_kind_id, schema_of
from gmn_fx.graph.values import bound_values, same_bits

COLLAPSED = "collapse-weight-sharing"
_LIMIT = 2**62


def is_raw(graph: ParameterGraph) -> bool:
    """True before weight sharing is collapsed."""
    return bool(graph.equalities) or COLLAPSED not in graph.established


def verify(
    graph: ParameterGraph, *, level: Literal["structure", "full", "values"] = "full"
) -> None:
    """Raise GraphError, with the number of the constraint, unless `graph` is well formed.

    Args:
        graph: the graph.
        level: "structure": what every graph must satisfy before its arrays may be touched;
            "full": P1 and P7 as well (raw graphs are held to "structure"); "values": P2 as well.
    """
    if level not in ("structure", "full", "values"):
        raise GraphError(f"level={level!r} is unknown", hint='use "structure", "full" or "values"')
    _check_slots(graph)
    _check_groups(graph)
    slots = {slot.name: slot for slot in graph.slots}
    sizes = (graph.num_nodes, len(graph.histories))
    for number, bundle in enumerate(graph.bundles):
        where = f"bundle #{number} {bundle.kind}/{bundle.op} of {bundle.name or '<root>'!r}"
        _check_bundle(bundle, sizes, where)
        _check_view(slots, bundle, where)
    for equality in graph.equalities:
        for side in (equality.left, equality.right):
            _check_range(side, sizes[0], f"an equality ({equality.why})", "nodes")
    schema_of(graph)
    if level != "structure" and not is_raw(graph):
        check_p1(graph)
        _check_dangling(graph)
        if PARALLEL not in graph.established:
            check_duplicates(graph)
    if level == "values":
        check_p2(graph)


def check_p2(graph: ParameterGraph) -> None:
    """P2: graph -> edges -> state_dict gives every bound bit back."""
    values = bound_values(graph)
    back = graph.to_state_dict(graph.edge_values())
    for slot in graph.slots:
        if not same_bits(back[slot.name], values[slot.name]):
            raise GraphError(
                f"P2: slot {slot.name!r} does not come back from the edges bit for bit",
                hint="its bundles do not read each element once: see P1",
            )


def _check_slots(graph: ParameterGraph) -> None:
    names: set[str] = set()
    offset = 0
    for slot in graph.slots:
        for name in (slot.name, *slot.aliases):
            if name in names:
                raise GraphError(
                    f"P1: two slots are called {name!r}", hint="one slot for each state_dict entry"
                )
            names.add(name)
        if any(n < 0 for n in slot.shape) or slot.offset != offset:
            raise GraphError(
                f"P1: slot {slot.name!r} {list(slot.shape)} starts at {slot.offset}, not {offset}",
                hint="offsets count the elements of all slots in order",
            )
        offset += slot.numel
    if offset > _LIMIT:
        raise GraphError(f"P1: {offset} parameters are too many", hint="is the file damaged?")
    slots = {slot.name: slot for slot in graph.slots}
    for name, count in graph.unread:
        if name not in slots or not 0 <= count <= slots[name].numel:
            raise GraphError(
                f"P1: graph.unread says {count} elements of {name!r}",
                hint="name a slot, and at most as many elements as it has",
            )


def _check_groups(graph: ParameterGraph) -> None:
    start = 0
    for group in graph.groups:
        node_kind_id(group.kind)
        if group.start != start or group.size < 0:
            raise GraphError(
                f"P7: {_group(group)} starts at node {group.start}, not {start}",
                hint="groups lie one after the other, without gaps",
            )
        start += group.size
        for what, m in (("labels", group.label), ("pins", group.pin)):
            _check_shape(m, (group.size,), f"the {what} of {_group(group)}")
            _check_range(m, None, f"the {what} of {_group(group)}", what)
    if start > _LIMIT:
        raise GraphError(f"P7: {start} nodes are too many", hint="is the file damaged?")
    _check_pins(graph)


def _constant(m: IndexMap, value: int) -> bool:
    return m.table is None and m.offset == value and not any(m.strides)


def _check_pins(graph: ParameterGraph) -> None:
    """A node with a label is unique in the graph by (pin, label)."""
    if is_raw(graph):
        return
    pinned: dict[int, list[tuple[np.ndarray, Group]]] = {}
    for group in graph.groups:
        if group.size == 0 or _constant(group.pin, -1):
            continue
        label = group.label.expand((group.size,)).array()
        pin = group.pin.expand((group.size,)).array()
        for value in distinct(pin[(pin >= 0) & (label >= 0)]):
            pinned.setdefault(int(value), []).append((label[(pin == value) & (label >= 0)], group))
    for value, parts in pinned.items():
        labels = np.concatenate([part for part, _ in parts])
        unique, counts = np.unique(labels, return_counts=True)
        if len(unique) < len(labels):
            twice = int(unique[counts > 1][0])
            raise GraphError(
                f"P7: two nodes have label {twice} of pin {value} (in {_group(parts[0][1])})",
                hint="a pinned node is told apart by its label: number the labels of each pin",
            )


def _check_bundle(bundle: Bundle, sizes: tuple[int, int], where: str) -> None:
    """`sizes`: how many nodes and histories the graph has (counting nodes reads all groups)."""
    edge_kind_id(bundle.kind)
    if any(n < 0 for n in bundle.shape) or math.prod(bundle.shape) > _LIMIT:
        raise GraphError(f"P7: {where} has shape {bundle.shape}", hint="is the file damaged?")
    maps = {"src": bundle.src, "dst": bundle.dst, "label": bundle.label, "history": bundle.history}
    for what, m in maps.items():
        _check_shape(m, bundle.shape, f"{what} of {where}")
    _check_range(bundle.src, sizes[0], f"src of {where}", "nodes")
    _check_range(bundle.dst, sizes[0], f"dst of {where}", "nodes")
    _check_range(bundle.label, None, f"label of {where}", "labels")
    _check_range(bundle.history, sizes[1], f"history of {where}", "histories")


def _check_view(slots: Mapping[str, Slot], bundle: Bundle, where: str) -> None:
    if bundle.slot is None and bundle.view is None:
        return
    if bundle.slot is None or bundle.view is None:
        raise GraphError(
            f"P7: {where} has a slot without a view, or a view without a slot", hint="give both"
        )
    slot = slots.get(bundle.slot)
    if slot is None:
        raise GraphError(
            f"P7: {where} reads slot {bundle.slot!r}, which the graph does not have",
            hint="use the name of a slot, not one of its aliases",
        )
    _check_shape(bundle.view, bundle.shape, f"view of {where}")
    _check_range(bundle.view, slot.numel, f"view of {where}", f"elements of {slot.name!r}")


def _check_shape(m: IndexMap, shape: tuple[int, ...], what: str) -> None:
    aligned = len(m.shape) == len(m.strides) and len(m.shape) <= len(shape)
    tail = shape[len(shape) - len(m.shape) :] if aligned else ()
    if not aligned or any(a not in (1, b) for a, b in zip(m.shape, tail, strict=True)):
        raise GraphError(
            f"P7: {what} has shape {m.shape}, which does not broadcast to {shape}",
            hint="all maps of a bundle broadcast to its shape",
        )


def _check_range(m: IndexMap, limit: int | None, what: str, things: str) -> None:
    """Keys inside the table, values inside [0, limit) or inside int64. Safe on hostile maps."""
    if m.size == 0:
        return
    if m.table is not None:
        low, high = IndexMap(m.shape, m.offset, m.strides).bounds()
        if low < 0 or high >= len(m.table):
            raise GraphError(
                f"P7: {what} reads entries {low} to {high} of a table of {len(m.table)}",
                hint="is the file damaged?",
            )
    low, high = m.bounds()
    least, most = (-_LIMIT, _LIMIT) if limit is None else (0, limit)
    if low < least or high >= most:
        count = "" if limit is None else f", there are {limit} {things}"
        raise GraphError(
            f"P7: {what} runs from {low} to {high}{count}", hint="every endpoint must exist"
        )


def _check_dangling(graph: ParameterGraph) -> None:
    """Every group has a node on an edge; only inputs may be ignored by the network."""
    starts = np.array([g.start for g in graph.groups] or [0], dtype=np.int64)
    touched = np.zeros(len(graph.groups), dtype=bool)
    for bundle in graph.bundles:
        if 0 in bundle.shape:
            continue
        for m in (bundle.src, bundle.dst):
            low, high = np.searchsorted(starts, m.bounds(), side="right") - 1
            if low == high:
                touched[low] = True
            else:
                touched[np.searchsorted(starts, m.core().reshape(-1), side="right") - 1] = True
    for group, on in zip(graph.groups, touched, strict=True):
        if not on and group.size and group.kind != "input":
            raise GraphError(
                f"P7: {_group(group)} dangles: none of its nodes is on an edge",
                hint="drop the group, or emit the edges of the operation that made it",
            )


def _group(group: Group) -> str:
    return f"group {group.kind}/{group.op} [{group.size}] of {group.name or '<root>'!r}"


def check_values(graph: ParameterGraph) -> None:
    """Values fit their slots (after loading a file)."""
    for slot in graph.slots:
        value = graph.values.get(slot.name)
        if value is not None and (
            not isinstance(value, torch.Tensor)
            or tuple(value.shape) != slot.shape
            or value.dtype != slot.dtype
        ):
            raise GraphError(
                f"P2: the values of slot {slot.name!r} do not have its shape and dtype",
                hint="is the file damaged?",
            )

"""The signature of an architecture: a hash of everything that does not depend on weights and names.

Left out: values, dtypes, names of the graph, of modules and of slots, source lines, notes, meta,
which parameters are frozen. Slots are numbered by their first use, so the order of the state_dict
does not matter; slots that are on no edge count by their shapes alone.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph

_VERSION = 1


def signature_of(graph: ParameterGraph) -> str:
    """sha256 (hex), the same in every process."""
    numbers: dict[str, int] = {}
    for bundle in graph.bundles:
        if bundle.slot is not None:
            numbers.setdefault(bundle.slot, len(numbers))
    shapes = {slot.name: slot.shape for slot in graph.slots}
    unread = dict(graph.unread)
    parts = [
        ["gmn-fx", _VERSION, len(graph.groups), len(graph.bundles)],
        [[shapes.get(name), unread.get(name, 0)] for name in numbers],
        sorted(list(slot.shape) for slot in graph.slots if slot.name not in numbers),
    ]
    digest = hashlib.sha256()
    for part in parts:
        _add(digest, part)
    for group in graph.groups:
        labels = [_canonical(m.expand((group.size,))) for m in (group.label, group.pin)]
        _add(digest, [group.kind, group.op, group.start, group.size, group.depth, labels])
    for bundle in graph.bundles:
        _add(digest, _bundle(graph, bundle, numbers))
    for equality in graph.equalities:
        _add(digest, [_canonical(equality.left), _canonical(equality.right)])
    return digest.hexdigest()


def _add(digest: Any, part: Any) -> None:
    digest.update(json.dumps(part, separators=(",", ":")).encode() + b"\n")


def _bundle(graph: ParameterGraph, bundle: Bundle, numbers: dict[str, int]) -> list[Any]:
    view = bundle.view
    return [
        bundle.kind, bundle.op, bundle.shape, bundle.operand, bundle.depth, bundle.tied,
        None if bundle.slot is None else numbers[bundle.slot],
        None if view is None else _canonical(view.expand(bundle.shape)),
        [_canonical(m.expand(bundle.shape)) for m in (bundle.src, bundle.dst, bundle.label)],
        _history(graph, bundle.history.expand(bundle.shape)),
    ]  # fmt: skip


def _history(graph: ParameterGraph, m: IndexMap) -> list[Any]:
    """Histories by their text: their numbers depend on what else the graph holds."""
    core = m.core()
    numbers, first, inverse = np.unique(core, return_index=True, return_inverse=True)
    order = np.argsort(first)  # numbered by first use
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    texts = [graph.histories[int(i)] for i in numbers[order]]
    return [texts, _canonical(IndexMap.from_array(rank[inverse].reshape(core.shape)))]


def _canonical(m: IndexMap) -> list[Any]:
    """Equal for equal maps, however they are written down."""
    if m.table is not None:
        m = IndexMap.from_array(m.core())
    strides = [s if n > 1 else 0 for n, s in zip(m.shape, m.strides, strict=True)]
    if m.table is None:
        return [m.offset, strides]
    return [m.offset, strides, hashlib.sha256(m.table.astype("<i8").tobytes()).hexdigest()]

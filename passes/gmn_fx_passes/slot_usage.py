"""Which slots are on edges, how often, and what nothing reads (constraint P1)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmn_fx.graph.coverage import spans
from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import ONE_PATH, Bundle, Slot


def account(
    slots: Sequence[Slot], bundles: Sequence[Bundle], rung: str = ""
) -> tuple[tuple[Slot, ...], list[Bundle], tuple[tuple[str, int], ...]]:
    """Slots marked used or not, bundles marked tied, and the elements that nothing reads.

    rung: how the program was captured.
    """
    on: dict[str, list[int]] = {}
    for i, b in enumerate(bundles):
        if b.slot is not None:
            on.setdefault(b.slot, []).append(i)
    out_slots, unread, tied = [], [], set()
    for slot in slots:
        mine = on.get(slot.name, [])
        if not mine or slot.numel == 0:
            out_slots.append(replace(slot, used=False, reason=slot.reason or _why(slot, rung)))
            continue
        covered, twice = _coverage(slot, [bundles[i] for i in mine])
        if twice:
            tied.update(mine)
        if covered < slot.numel:
            unread.append((slot.name, slot.numel - covered))
        out_slots.append(replace(slot, used=True, reason=""))
    marked = [replace(b, tied=i in tied) for i, b in enumerate(bundles)]
    return tuple(out_slots), marked, tuple(unread)


def _why(slot: Slot, rung: str) -> str:
    if slot.numel == 0:
        return "it has no elements"
    if not (slot.dtype.is_floating_point or slot.dtype.is_complex):
        return "integer buffer: part of the architecture"
    if rung in ONE_PATH:  # on another path it may matter
        return "nothing on the path of the example reads it"
    return "the outputs do not depend on it"


def _coverage(slot: Slot, bundles: Sequence[Bundle]) -> tuple[int, bool]:
    """(number of elements on some edge, whether one is on several)."""
    views = [b.view.expand(b.shape) for b in bundles if b.view is not None]
    if all(_each_once(v) for v in views):
        if len(views) == 1:
            return views[0].size, False
        if any(v.size == slot.numel for v in views):
            return slot.numel, True
        if _apart(views):
            return sum(v.size for v in views), False
    count = np.zeros(slot.numel, dtype=np.uint8)
    for v in views:
        flat = v.array().reshape(-1)
        seen, times = np.unique(flat, return_counts=True)
        count[seen] = np.minimum(2, count[seen] + times).astype(np.uint8)
    return int((count > 0).sum()), bool((count > 1).any())


def _each_once(v: IndexMap) -> bool:
    """Whether a view names no element twice."""
    if v.table is not None:
        axes = all(s for n, s in zip(v.shape, v.strides, strict=True) if n > 1)
        return axes and len(distinct(v.table)) == len(v.table) == v.size
    return spans(v)


def _apart(views: Sequence[IndexMap]) -> bool:
    bounds = sorted(v.bounds() for v in views)
    return all(a[1] < b[0] for a, b in itertools.pairwise(bounds))

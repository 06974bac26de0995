"""P1, coverage: every element of every slot is on exactly one edge, on more only if tied.

Answered from shapes and strides in O(bundles) wherever a slot lies on one bundle, or on several
that take separate ranges; elements are counted one by one only where a table or an overlap demands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gmn_fx.errors import GraphError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph, Slot


def check_p1(graph: ParameterGraph) -> None:
    """Raise GraphError naming the first slot that breaks P1."""
    unread = dict(graph.unread)
    by_slot: dict[str, list[Bundle]] = {slot.name: [] for slot in graph.slots}
    for bundle in graph.bundles:
        if bundle.slot is not None and 0 not in bundle.shape:
            by_slot[bundle.slot].append(bundle)
    for slot in graph.slots:
        bundles = by_slot[slot.name]
        if not slot.used:
            _check_unused(slot, bundles)
        elif not _covered_once(slot, bundles, unread.get(slot.name, 0)):
            _count(slot, bundles, unread.get(slot.name, 0))


def _check_unused(slot: Slot, bundles: Sequence[Bundle]) -> None:
    if bundles:
        raise GraphError(
            f"P1: slot {slot.name!r} is marked unused but lies on the edges of {_name(bundles[0])}",
            hint="set used=True, or do not emit the bundle",
        )
    if not slot.reason:
        raise GraphError(
            f"P1: slot {slot.name!r} is unused without a reason",
            hint="say in Slot.reason why no output depends on it",
        )


def _covered_once(slot: Slot, bundles: Sequence[Bundle], unread: int) -> bool:
    """True when strides alone prove it; False when elements must be counted."""
    total = 0
    ranges = []
    for bundle in bundles:
        view = bundle.view
        if view is None or not spans(view.expand(bundle.shape)):
            return False
        total += math.prod(bundle.shape)
        ranges.append(view.bounds())
    if len(bundles) > 1 and all(b.tied for b in bundles):
        return unread == 0 and any(math.prod(b.shape) == slot.numel for b in bundles)
    ranges.sort()
    apart = all(a[1] < b[0] for a, b in pairwise(ranges))
    return apart and total == slot.numel - unread


def spans(m: IndexMap) -> bool:
    """True when no two multi-indices have one value, as the strides alone show (no table)."""
    if m.table is not None:
        return False
    reach = 0
    for s, n in sorted((abs(s), n) for s, n in zip(m.strides, m.shape, strict=True) if n > 1):
        if s <= reach:
            return False
        reach += s * (n - 1)
    return True


def multiplicity(slot: Slot, bundles: Sequence[Bundle]) -> npt.NDArray[np.int64]:
    """On how many edges each element of `slot` is."""
    counts = np.zeros(slot.numel, dtype=np.int64)
    for bundle in bundles:
        if bundle.view is None:
            continue
        core = bundle.view.expand(bundle.shape).core()
        times = math.prod(bundle.shape) // max(1, core.size)
        counts += np.bincount(core.reshape(-1), minlength=slot.numel) * times
    return counts


def _count(slot: Slot, bundles: Sequence[Bundle], unread: int) -> None:
    counts = multiplicity(slot, bundles)
    missing = int(np.count_nonzero(counts == 0))
    if missing != unread:
        raise _not_covered(slot, bundles, counts, missing, unread)
    if slot.numel == 0 or int(counts.max()) <= 1:
        return
    for bundle in bundles:
        if bundle.tied or bundle.view is None:
            continue
        element = _shared_element(bundle, counts)
        if element is not None:
            raise GraphError(
                f"P1: element {_where(slot, element)} of slot {slot.name!r} is on "
                f"{int(counts[element])} edges, but {_name(bundle)} is not marked tied",
                hint="a slot with several destinations or sources merges them (emit the equality); "
                "where the roles differ set tied=True on every bundle of the slot",
            )


def _shared_element(bundle: Bundle, counts: npt.NDArray[np.int64]) -> int | None:
    assert bundle.view is not None
    elements = bundle.view.expand(bundle.shape).core().reshape(-1)
    shared = elements[counts[elements] > 1]
    return int(shared[0]) if len(shared) else None


def _not_covered(
    slot: Slot,
    bundles: Sequence[Bundle],
    counts: npt.NDArray[np.int64],
    missing: int,
    unread: int,
) -> GraphError:
    if not bundles:
        return GraphError(
            f"P1: slot {slot.name!r} {list(slot.shape)} is marked used but lies on no edge",
            hint="emit a bundle for it, or mark it used=False with the reason",
        )
    where = ""
    if missing:
        where = f", the first of them {_where(slot, int(np.argmin(counts)))}"
    return GraphError(
        f"P1: {missing} of {slot.numel} elements of slot {slot.name!r} are on no edge{where}, "
        f"and graph.unread says {unread}",
        hint=f"the bundles of the slot are: {', '.join(_name(b) for b in bundles[:4])}; "
        "widen one of them, or record the elements that nothing reads in graph.unread",
    )


def _where(slot: Slot, element: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(element, slot.shape or (1,)))


def _name(bundle: Bundle) -> str:
    return f"bundle {bundle.kind}/{bundle.op} {list(bundle.shape)} of {bundle.name or '<root>'!r}"

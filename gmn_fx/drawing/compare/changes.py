"""What became of every slot, bundle and group between two graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmn_fx.drawing.compare.align import Alignment, Pair
from gmn_fx.drawing.compare.measure import Difference, measure
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.text import shape as sizes
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot

# same: nothing differs, or nothing that could be compared. changed: other values. rewired: other
# op, history or neighbours. resized: another shape. removed: only in a. added: only in b.
State = Literal["same", "changed", "rewired", "resized", "removed", "added"]
# Sources and destinations of a bundle: numbers of pairs of groups.
_Ends = tuple[frozenset[int], frozenset[int]]


@dataclass(frozen=True)
class Change:
    """One slot, bundle or group of a and of b.

    notes: what differs besides values, in words. difference: of the values, None where they are
    not there or have different shapes.
    """

    pair: Pair
    state: State
    notes: tuple[str, ...] = ()
    difference: Difference | None = None


def slot_changes(a: ParameterGraph, b: ParameterGraph, found: Alignment) -> tuple[Change, ...]:
    """Changes of the slots, in the order of `found.slots`."""
    return tuple(_slot_change(a, b, pair) for pair in found.slots)


def _slot_change(a: ParameterGraph, b: ParameterGraph, pair: Pair) -> Change:
    if pair.a is None or pair.b is None:
        return Change(pair, "added" if pair.a is None else "removed")
    one, two = a.slots[pair.a], b.slots[pair.b]
    notes = tuple(_slot_notes(one, two))
    if one.shape != two.shape:
        return Change(pair, "resized", (f"{sizes(one.shape)} → {sizes(two.shape)}", *notes))
    x, y = tensor_of(a, one), tensor_of(b, two)
    if x is None or y is None:
        return Change(pair, "same" if one.dtype == two.dtype else "changed", notes)
    difference = measure(x, y)
    same = difference.changed == 0 and one.dtype == two.dtype
    return Change(pair, "same" if same else "changed", notes, difference)


def _slot_notes(one: Slot, two: Slot) -> list[str]:
    notes = []
    if one.dtype != two.dtype:
        notes.append(f"{_dtype(one.dtype)} → {_dtype(two.dtype)}")
    if one.trainable != two.trainable:
        notes.append("now frozen" if one.trainable else "now trainable")
    lost = [n for n in one.aliases if n not in two.aliases]
    new = [n for n in two.aliases if n not in one.aliases]
    if len(lost) != len(new):
        # Equally many is one set of tied names under another prefix.
        notes += [f"no longer tied to {n}" for n in lost[:2]]
        notes += [f"now tied to {n}" for n in new[:2]]
    if one.used != two.used:
        notes.append("no longer read" if one.used else "now read")
    if one.name != two.name:
        notes.append(f"named {two.name}")
    return notes


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def tensor_of(graph: ParameterGraph, slot: Slot) -> Tensor | None:
    """The values of a slot, None where there are none that can be compared."""
    tensor = graph.values.get(slot.name)
    if tensor is None or tensor.is_meta or tuple(tensor.shape) != slot.shape:
        return None
    plain = tensor.layout == torch.strided and not tensor.is_quantized
    return tensor if plain else None


# ---- bundles


def bundle_changes(
    a: ParameterGraph, b: ParameterGraph, found: Alignment, slots: Sequence[Change]
) -> tuple[Change, ...]:
    """Changes of the bundles, in the order of `found.bundles`; `slots` are those of the slots."""
    of_slot = {a.slots[c.pair.a].name: c for c in slots if c.pair.a is not None}
    left: list[_Ends] = []
    right: list[_Ends] = []
    if not found.same_structure:
        left = _ends(a, {p.a: k for k, p in enumerate(found.groups)})
        right = _ends(b, {p.b: k for k, p in enumerate(found.groups)})
    out = []
    for pair in found.bundles:
        if pair.a is None or pair.b is None:
            out.append(Change(pair, "added" if pair.a is None else "removed"))
            continue
        one, two = a.bundles[pair.a], b.bundles[pair.b]
        slot = of_slot.get(one.slot or "")
        notes = _bundle_notes(a, b, one, two, (left[pair.a], right[pair.b])) if left else []
        out.append(_bundle_change(a, b, pair, (one, two), slot, notes))
    return tuple(out)


def _bundle_change(
    a: ParameterGraph,
    b: ParameterGraph,
    pair: Pair,
    both: tuple[Bundle, Bundle],
    slot: Change | None,
    notes: list[str],
) -> Change:
    one, two = both
    if slot is None:
        resized = math.prod(one.shape) != math.prod(two.shape)
        return Change(pair, "resized" if resized else "rewired" if notes else "same", tuple(notes))
    difference = slot.difference
    if difference is not None and difference.changed and one.view is not None:
        difference = _on_edges(a, b, one, two, difference)
    values = slot.state == "changed" and (difference is None or _differs(difference, slot))
    state: State = "resized" if slot.state == "resized" else "changed" if values else "same"
    if state == "same" and notes:
        state = "rewired"
    return Change(pair, state, (*slot.notes, *notes), difference)


def _differs(difference: Difference, slot: Change) -> bool:
    whole = slot.difference
    # A slot of another dtype changed even where all of its values are equal.
    return difference.changed > 0 or whole is None or whole.changed == 0


def _on_edges(
    a: ParameterGraph, b: ParameterGraph, one: Bundle, two: Bundle, whole: Difference
) -> Difference:
    """The difference of the elements that lie on the bundle, where that is a part of the slot."""
    left, right = _core(one.view), _core(two.view)
    if left is None or right is None or left.shape != right.shape or left.size >= whole.elements:
        return whole
    x, y = a.values[one.slot or ""], b.values[two.slot or ""]
    part = measure(_read(x, left), _read(y, right))
    if part.place < 0:
        return part
    place = int(left.array().reshape(-1)[part.place])
    return Difference(**{**vars(part), "place": place})


def _core(view: IndexMap | None) -> IndexMap | None:
    """`view` without the axes along which it does not vary: each element once."""
    if view is None:
        return None
    axes = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if s]
    return IndexMap(tuple(n for n, _ in axes), view.offset, tuple(s for _, s in axes), view.table)


def _read(tensor: Tensor, view: IndexMap) -> Tensor:
    """The elements of `tensor` that `view` names."""
    flat = tensor.detach().resolve_conj().resolve_neg().reshape(-1)
    if view.table is None and all(s > 0 for s in view.strides):
        # Positions are those of the flat tensor, which may itself be a view of something larger.
        return flat.as_strided(
            view.shape,
            tuple(s * flat.stride(0) for s in view.strides),
            flat.storage_offset() + view.offset * flat.stride(0),
        )
    return flat[torch.from_numpy(view.array().copy()).to(flat.device)]


def _ends(graph: ParameterGraph, number: Mapping[int | None, int]) -> list[_Ends]:
    """Sources and destinations of each bundle: numbers of pairs of groups."""
    out: list[tuple[set[int], set[int]]] = [(set(), set()) for _ in graph.bundles]
    for link in links_of(graph):
        out[link.bundle][0].add(number[link.src])
        out[link.bundle][1].add(number[link.dst])
    return [(frozenset(src), frozenset(dst)) for src, dst in out]


def _bundle_notes(
    a: ParameterGraph,
    b: ParameterGraph,
    one: Bundle,
    two: Bundle,
    ends: tuple[_Ends, _Ends],
) -> list[str]:
    """What differs between two matched bundles of graphs of different structure."""
    notes = []
    if one.op != two.op:
        notes.append(f"{one.op} → {two.op}")
    if one.kind != two.kind:
        notes.append(f"{one.kind} → {two.kind}")
    if one.operand != two.operand:
        notes.append("another operand")
    past, now = _histories(a, one), _histories(b, two)
    if past != now:
        notes.append(f"after {past or 'nothing'} → {now or 'nothing'}")
    for what, left, right in zip(("source", "destination"), *ends, strict=True):
        if left != right:
            notes.append(f"another {what}")
    return notes


def _histories(graph: ParameterGraph, bundle: Bundle) -> str:
    numbers = sorted(set(bundle.history.core().reshape(-1).tolist()))
    return ", ".join(graph.histories[n] for n in numbers if graph.histories[n])


# ---- groups


def group_changes(
    a: ParameterGraph, b: ParameterGraph, found: Alignment, into: Mapping[int, Difference]
) -> tuple[Change, ...]:
    """Changes of the groups, in the order of `found.groups`.

    Args:
        a: the first graph.
        b: the second graph.
        found: their alignment.
        into: number of a group in `found.groups` -> the strongest difference of the values on the
            edges into it.
    """
    out = []
    for number, pair in enumerate(found.groups):
        if pair.a is None or pair.b is None:
            out.append(Change(pair, "added" if pair.a is None else "removed"))
            continue
        one, two = a.groups[pair.a], b.groups[pair.b]
        notes = _group_notes(one, two)
        difference = into.get(number)
        state: State = "resized" if one.size != two.size else "changed" if difference else "same"
        if state == "same" and one.op != two.op:
            state = "rewired"
        out.append(Change(pair, state, notes, difference))
    return tuple(out)


def _group_notes(one: Group, two: Group) -> tuple[str, ...]:
    notes = []
    if one.size != two.size:
        notes.append(f"{one.size:,} → {two.size:,}")
    if one.op != two.op:
        notes.append(f"{one.op} → {two.op}")
    if one.name != two.name and one.kind != "input":
        notes.append(f"named {two.name or 'nothing'}")
    return tuple(notes)

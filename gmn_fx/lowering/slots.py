"""From the slots of a parameter view to bundles: one bundle for each state_dict entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import Bundle, Slot
from gmn_fx.lowering.axes import broadcast
from gmn_fx.lowering.store import index_map
from gmn_fx.lowering.values import Par


def slot_bundles(
    base: Bundle, par: Par, slots: Sequence[Slot], offsets: np.ndarray
) -> list[Bundle]:
    """`base` with the slots of `par` (broadcast to its shape) on its edges."""
    if par.affine:
        slot = _slot_at(par.base, slots, offsets)
        view = broadcast(par.slots, base.shape)
        strides = tuple(
            int(s) if n > 1 else 0 for n, s in zip(view.shape, view.stride(), strict=True)
        )
        local = par.base - slot.offset + int(view.storage_offset())
        return [replace(base, slot=slot.name, view=IndexMap(base.shape, local, strides))]
    flat = broadcast(par.slots, base.shape)
    whole = index_map(flat)
    low, high = whole.bounds()
    slot = _slot_at(low, slots, offsets)
    if high < slot.offset + slot.numel:
        return [replace(base, slot=slot.name, view=index_map(flat - slot.offset))]
    return _split(base, flat.numpy(), slots, offsets)


def _slot_at(index: int, slots: Sequence[Slot], offsets: np.ndarray) -> Slot:
    # empty slots share their offset with the next one: `side="right"` finds the one after them
    return slots[int(np.searchsorted(offsets, index, side="right")) - 1]


def _split(
    base: Bundle, flat: np.ndarray, slots: Sequence[Slot], offsets: np.ndarray
) -> list[Bundle]:
    """A view over several entries (a concatenation of parameters): one flat bundle each."""
    owner = np.searchsorted(offsets, flat, side="right") - 1
    out = []
    for number in distinct(owner):
        chosen = np.nonzero((owner == number).reshape(-1))[0]
        slot = slots[int(number)]

        def pick(m: IndexMap, chosen: np.ndarray = chosen) -> IndexMap:
            return IndexMap.from_array(m.expand(base.shape).array().reshape(-1)[chosen])

        out.append(
            replace(
                base,
                shape=(len(chosen),),
                slot=slot.name,
                view=IndexMap.from_array(flat.reshape(-1)[chosen] - slot.offset),
                src=pick(base.src),
                dst=pick(base.dst),
                label=pick(base.label),
                history=pick(base.history),
            )
        )
    return out

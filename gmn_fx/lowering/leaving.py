"""Which parameters a construction leaves out of the graph on purpose."""

from __future__ import annotations

import numpy as np

from gmn_fx.graph.model import Slot
from gmn_fx.lowering.axes import core
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.values import Par


def slots_in(b: Builder, par: Par) -> list[Slot]:
    """The state_dict entries that a view of parameters reads."""
    offsets = np.array([s.offset for s in b.slots], dtype=np.int64)
    if par.affine:
        small = core(par.slots)
        first = par.base + int(small.storage_offset())
        reach = sum((n - 1) * s for n, s in zip(small.shape, small.stride(), strict=True))
        ids = np.array([first, first + reach])
    else:
        ids = np.unique(core(par.slots).numpy())
    # empty slots share their offset with the next one: `side="right"` finds the one after them
    return [b.slots[i] for i in np.unique(np.searchsorted(offsets, ids, side="right") - 1)]


def is_buffer(b: Builder, par: Par) -> bool:
    """Whether a view reads buffers alone."""
    return all(slot.name in b.buffers for slot in slots_in(b, par))


def leave_out(b: Builder, par: Par, why: str) -> None:
    """Say why the entries that `par` reads are on no edge, unless something else reads them."""
    for slot in slots_in(b, par):
        b.store.left_out.setdefault(slot.offset, why)

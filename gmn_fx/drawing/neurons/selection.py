"""The edges of a bundle whose ends are drawn, found without listing the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.errors import DrawError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Edges:
    """Edges of one bundle, in row-major order of its shape; arrays of one length.

    element: index inside the slot, -1 on parameter-free edges. history: as in `Bundle`.
    """

    src: Array
    dst: Array
    element: Array
    history: Array

    def __len__(self) -> int:
        return len(self.src)

    def at(self, rows: Array) -> Edges:
        """Some of them."""
        return Edges(self.src[rows], self.dst[rows], self.element[rows], self.history[rows])


def edges_between(bundle: Bundle, mask: npt.NDArray[np.bool_]) -> Edges:
    """The edges of `bundle` between nodes for which `mask`, [nodes], is True."""
    kept = [np.arange(n) for n in bundle.shape]
    src, dst = bundle.src.expand(bundle.shape), bundle.dst.expand(bundle.shape)
    for ends in (src, dst):
        _narrow(kept, ends, mask)
    heads, tails = values_at(src, kept), values_at(dst, kept)
    on = (_inside(heads, mask) & _inside(tails, mask)).reshape(-1)

    def column(index: IndexMap | None) -> Array:
        if index is None:
            return np.full(int(on.sum()), -1, dtype=np.int64)
        return np.array(values_at(index.expand(bundle.shape), kept)).reshape(-1)[on]

    view = bundle.view if bundle.slot is not None else None
    return Edges(
        np.array(heads).reshape(-1)[on],
        np.array(tails).reshape(-1)[on],
        column(view),
        column(bundle.history),
    )


def values_at(index: IndexMap, kept: Sequence[Array]) -> Array:
    """`index` at the kept positions of each axis, broadcast to their number."""
    out = np.array(index.offset, dtype=np.int64).reshape((1,) * len(kept))
    for axis, (places, stride) in enumerate(zip(kept, index.strides, strict=True)):
        if stride:
            out = out + (places * stride).reshape((-1,) + (1,) * (len(kept) - axis - 1))
    if index.table is not None:
        out = index.table[out].astype(np.int64)
    return np.broadcast_to(out, tuple(len(p) for p in kept))


def _narrow(kept: list[Array], ends: IndexMap, mask: npt.NDArray[np.bool_]) -> None:
    """Drop the positions of each axis at which no drawn node can be; looks at own axes only."""
    small = [p if stride else p[:1] for p, stride in zip(kept, ends.strides, strict=True)]
    on = _inside(values_at(ends, small), mask)
    for axis, stride in enumerate(ends.strides):
        if stride:
            others = tuple(a for a in range(on.ndim) if a != axis)
            kept[axis] = kept[axis][on.any(axis=others)]


def _inside(ids: Array, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= len(mask)):
        raise DrawError(
            "an edge ends at a node that is in no group: the graph is corrupt",
            hint="check it with graph.verify(), or extract it again",
        )
    return mask[ids]

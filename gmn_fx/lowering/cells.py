"""The cells of a joint result: one node each, and the edges into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import (
    broadcast,
    cut,
    varying,
)
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.meeting import Leg, Spec
from gmn_fx.lowering.tags import edge_labels
from gmn_fx.lowering.values import Par


@dataclass(frozen=True)
class Cells:
    """The cells of the result that have a node each: the whole grid, or a choice of it."""

    axes: list[int]
    grid: tuple[int, ...]
    node: np.ndarray
    chosen: Tensor | None

    def of(self, t: Tensor) -> Tensor:
        """The value of `t` (of the result's shape) at each node."""
        wide = cut(t, self.axes).expand(self.grid)
        return wide if self.chosen is None else wide.reshape(-1)[self.chosen]

    def labels(self, leg: Leg) -> Tensor | None:
        """A label a node for the edges of `leg`."""
        if leg.label is None:
            return None
        found = edge_labels(self.node, flat(leg.label, self.axes, self.grid))
        if found is None:
            return None
        labels = torch.from_numpy(found)
        return labels.reshape(self.grid) if self.chosen is None else labels


def flat(t: Tensor, axes: list[int], grid: tuple[int, ...]) -> np.ndarray:
    """`t` along `axes`, one entry a cell."""
    return cut(t, axes).expand(grid).reshape(-1).numpy()


def connect_cells(
    b: Builder,
    legs: Sequence[Leg],
    dst: Tensor,
    cells: Cells,
    spec: Spec,
    par: Par | None,
    shape: tuple[int, ...],
) -> None:
    """The edges of one component."""
    own = [leg for leg in legs if leg.owner == spec.par_owner] if par is not None else []
    carrier = own[0] if len(own) == 1 else None
    for leg in (x for x in legs if x is not carrier):
        src = cells.of(leg.factor)
        b.connect(
            src,
            dst,
            op=spec.op,
            hist=cells.of(leg.hist),
            kind=_kind(spec, leg),
            label=cells.labels(leg),
            operand=leg.operand if leg.operand >= 0 else _twin(b, legs, leg, cells),
            attr=spec.attr,
        )
    if par is None:
        return
    moved = Par(shape, broadcast(par.slots, shape), par.base, broadcast(par.hist, shape))
    carried = _par_cells(moved, cells)
    src = cells.of(carrier.factor) if carrier else b.constant_one(spec.op)
    hist = cells.of(carrier.hist) if carrier else None
    label = cells.labels(carrier) if carrier else None
    b.shared(("join", spec.op, spec.attr, par_key(carried)), src, dst)
    b.connect(
        src,
        dst,
        op=spec.op,
        kind=spec.par_kind,
        par=carried,
        hist=hist,
        label=label,
        operand=spec.par_operand,
        attr=spec.attr,
    )


def _kind(spec: Spec, leg: Leg) -> str:
    if spec.op == "residual" and leg.owner == 0:
        return "residual"
    return "operand" if leg.operand >= 0 else "flow"


def _par_cells(par: Par, cells: Cells) -> Par:
    if cells.chosen is None:
        hist = cut(par.hist, cells.axes).expand(cells.grid)
        return Par(cells.grid, cut(par.slots, cells.axes).expand(cells.grid), par.base, hist)
    slots = cut(par.explicit(), cells.axes).expand(cells.grid).reshape(-1)[cells.chosen]
    hist = cut(par.hist, cells.axes).expand(cells.grid).reshape(-1)[cells.chosen]
    return Par((len(slots),), slots, 0, hist)


def par_key(par: Par) -> tuple[object, ...]:
    """Identity of a parameter view: equal keys, equal slots in the same order."""
    if par.affine:
        shape = tuple((n, s) for n, s in zip(par.shape, par.slots.stride(), strict=True) if n > 1)
        return (par.base + par.slots.storage_offset(), shape)
    small = cut(par.slots, varying(par.slots)).reshape(-1)
    return (len(small), small.numpy().tobytes())


def _twin(b: Builder, legs: Sequence[Leg], leg: Leg, cells: Cells) -> int:
    """Operands of a commutative op that somewhere read one neuron alike are told apart."""
    mine, past = b.store.find(cells.of(leg.factor)), cells.of(leg.hist)
    twins = [
        other
        for other in legs
        if bool(
            ((b.store.find(cells.of(other.factor)) == mine) & (cells.of(other.hist) == past)).any()
        )
    ]
    return -1 if len(twins) < 2 else next(i for i, t in enumerate(legs) if t is leg)

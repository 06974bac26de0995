"""Values made by hand, and edges one by one."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gmn_fx.graph.model import Slot
from gmn_fx.lowering import Act, Builder, Par
from gmn_fx.lowering.axes import full
from gmn_fx.lowering.values import blank


class Edge(NamedTuple):
    src: int
    dst: int
    label: int
    operand: int
    history: str
    slot: str | None
    index: int


def builder(**shapes: tuple[int, ...]) -> Builder:
    """A builder of a model with these parameters."""
    slots, offset = [], 0
    for name, shape in shapes.items():
        slots.append(Slot(name, shape, torch.float32, offset))
        offset += math.prod(shape)
    return Builder(slots)


def par(b: Builder, name: str) -> Par:
    """A whole parameter."""
    slot = next(s for s in b.slots if s.name == name)
    meta = torch.empty(slot.shape, device="meta")
    return Par(slot.shape, meta, slot.offset, full(0, slot.shape))


def neurons(b: Builder, shape: tuple[int, ...], axis: int, name: str = "made") -> Act:
    """An activation of `shape` with fresh neurons along `axis`."""
    ids = b.nodes("neuron", name, [n if a == axis % len(shape) else 1 for a, n in enumerate(shape)])
    return b.act(shape, [ids])


def data(shape: tuple[int, ...], root: str = "x") -> Act:
    return blank(shape, root)


def edges(b: Builder, start: int = 0) -> list[Edge]:
    """All edges of the bundles from number `start` on."""
    out = []
    for bundle in b.store.bundles[start:]:
        maps = [bundle.src, bundle.dst, bundle.label, bundle.history]
        columns = [m.expand(bundle.shape).array().reshape(-1).tolist() for m in maps]
        view = (
            [-1] * len(columns[0])
            if bundle.view is None
            else bundle.view.expand(bundle.shape).array().reshape(-1).tolist()
        )
        out += [
            Edge(s, d, label, bundle.operand, b.store.histories[h], bundle.slot, k)
            for s, d, label, h, k in zip(*columns, view, strict=True)
        ]
    return out


def only(x: Act) -> Tensor:
    """The single factor of `x`."""
    assert len(x.factors) == 1
    return x.factors[0]

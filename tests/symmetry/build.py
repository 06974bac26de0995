"""Parameter graphs written by hand, for networks whose symmetries everybody knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from torch import nn

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot


@dataclass
class Draft:
    """Collects groups, slots and bundles; arrays become index maps."""

    groups: list[Group] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    histories: list[str] = field(default_factory=lambda: [""])

    def group(self, kind: str, op: str, size: int, *, pinned: bool = False, name: str = ""):
        start = sum(g.size for g in self.groups)
        label = IndexMap.arange(size) if pinned else IndexMap.constant(-1, (size,))
        pin = IndexMap.constant(len(self.groups) if pinned else -1, (size,))
        self.groups.append(Group(kind, op, start, size, label=label, pin=pin, name=name))
        return np.arange(start, start + size)

    def slots_of(self, model: nn.Module, aliases: dict[str, tuple[str, ...]] | None = None):
        entries = [(n, p, True) for n, p in model.named_parameters()]
        entries += [(n, b, False) for n, b in model.named_buffers()]
        offset = 0
        for name, tensor, trainable in entries:
            alias = (aliases or {}).get(name, ())
            shape = tuple(tensor.shape)
            self.slots.append(Slot(name, shape, tensor.dtype, offset, trainable, alias))
            offset += tensor.numel()
        return self

    def edges(self, kind, op, src, dst, slot=None, *, view=None, label=-1, history="", operand=-1):
        """`src`, `dst`, `view`, `label` broadcast; the view defaults to all of the slot."""
        if slot is not None and view is None:
            entry = next(s for s in self.slots if s.name == slot)
            view = np.arange(entry.numel).reshape(entry.shape)
        parts = [src, dst] if view is None else [src, dst, view]
        shape = np.broadcast_shapes(*(np.shape(p) for p in parts), np.shape(label))
        maps = [IndexMap.from_array(np.broadcast_to(p, shape)) for p in (src, dst, label)]
        if history not in self.histories:
            self.histories.append(history)
        self.bundles.append(
            Bundle(
                kind,
                op,
                shape,
                maps[0],
                maps[1],
                slot,
                None if view is None else IndexMap.from_array(np.broadcast_to(view, shape)),
                maps[2],
                IndexMap.constant(self.histories.index(history), shape),
                operand,
            )
        )

    def linear(self, name, src, dst, bias=None, history=""):
        self.edges(
            "weight", "linear", src[None, :], dst[:, None], f"{name}.weight", history=history
        )
        if bias is not None:
            self.edges("bias", "bias", bias, dst, f"{name}.bias")

    def build(self) -> ParameterGraph:
        return ParameterGraph(
            "hand-made",
            tuple(self.slots),
            tuple(self.groups),
            tuple(self.bundles),
            tuple(self.histories),
        )


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mlp_graph(model: nn.Sequential) -> ParameterGraph:
    """Inputs and outputs pinned, hidden units free, one bias node a layer."""
    draft = Draft().slots_of(model)
    linears = [(str(i), m) for i, m in enumerate(model) if isinstance(m, nn.Linear)]
    values = draft.group("input", "input", linears[0][1].in_features, pinned=True, name="x")
    for place, (name, layer) in enumerate(linears):
        last = place == len(linears) - 1
        bias = draft.group("bias", "bias", 1, name=f"{name}.bias")
        out = draft.group("neuron", "linear", layer.out_features, pinned=last, name=name)
        draft.linear(name, values, out, bias, history="relu" if place else "")
        values = out
    return draft.build()

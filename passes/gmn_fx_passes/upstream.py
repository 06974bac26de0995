"""What the nodes of a program are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from gmn_fx.ir.program import Program

aten = torch.ops.aten
_LAYERS = frozenset({
    aten.linear.default, aten.convolution.default, aten.matmul.default, aten.einsum.default,
})  # fmt: skip


@dataclass
class Upstream:
    """For each node that depends on an input of the model: its bit, and those of its ancestors.

    layers: the largest number of layers with weights on the way to it. learned: nodes that depend
    on a parameter. loose: those that depend on inputs that are not floating-point alone (tokens,
    masks).
    """

    bits: dict[fx.Node, tuple[int, int]]
    layers: dict[fx.Node, int]
    learned: set[fx.Node]
    loose: set[fx.Node]

    @staticmethod
    def of(program: Program) -> Upstream:
        """Walk the program once."""
        found = Upstream({}, {}, set(), set())
        for index, node in enumerate(program.graph.nodes):
            if node.op == "placeholder":
                found._placeholder(program, node, 1 << index)
            else:
                found.add(node, 1 << index)
        return found

    def _placeholder(self, program: Program, node: fx.Node, bit: int) -> None:
        kind, val = program.bindings[node.name].kind, node.meta["val"]
        real = isinstance(val, torch.Tensor) and (val.is_floating_point() or val.is_complex())
        if kind == "input":
            self.bits[node] = (bit, 0)
            self.layers[node] = 0
            if not real:
                self.loose.add(node)
        elif kind == "param" and real:
            self.learned.add(node)

    def add(self, node: fx.Node, bit: int = 0) -> None:
        """Take in one more node, whose operands are known."""
        operands = node.all_input_nodes
        known = [self.bits[n] for n in operands if n in self.bits]
        if any(n in self.learned for n in operands):
            self.learned.add(node)
        if not known:
            return
        above = 0
        for own, before in known:
            above |= own | before
        self.bits[node] = (bit, above)
        weights = [n for n in operands if n in self.learned and n not in self.bits]
        step = int(node.target in _LAYERS and bool(weights))
        self.layers[node] = step + max(self.layers.get(n, 0) for n in operands)
        if all(n in self.loose for n in operands if n in self.bits) and node not in self.learned:
            self.loose.add(node)

    def like(self, new: fx.Node, old: fx.Node) -> None:
        """`new` stands where `old` stood."""
        self.bits[new], self.layers[new] = self.bits[old], self.layers[old]
        for table in (self.learned, self.loose):
            if old in table:
                table.add(new)

    def before(self, left: fx.Node, right: fx.Node) -> bool:
        """Whether `right` is computed from `left`."""
        return bool(self.bits[left][0] & self.bits[right][1])

"""Stacks of recurrent layers as one `gmn.recurrent` a layer and direction."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import arguments, emit, replace, result_users, shape_of
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.rewriting import rewrite

aten = torch.ops.aten

_LAYERS = {
    aten.lstm.input: "lstm",
    aten.gru.input: "gru",
    aten.rnn_tanh.input: "rnn_tanh",
    aten.rnn_relu.input: "rnn_relu",
}
_CELLS = {
    aten.lstm_cell.default: "lstm",
    aten.gru_cell.default: "gru",
    aten.rnn_tanh_cell.default: "rnn_tanh",
    aten.rnn_relu_cell.default: "rnn_relu",
}


@plugin.register_pass
@dataclass(frozen=True)
class LowerRecurrent(Pass):
    """Take LSTM, GRU and RNN layers apart: one `gmn.recurrent` a layer and direction.

    Time comes first inside; the directions of a layer are joined by `cat`. Layers on packed
    sequences stay packed. Cells, which run one step, become linear layers and elementwise ops: only
    a scan ties a state to its successor.

    Before::

        program "rnn" {
          %x = input "x" : f32[2, 5, 3]
          %h = input "h" : f32[1, 2, 4]
          %w = param "w" : f32[4, 3]
          %u = param "u" : f32[4, 4]
          %0 = aten.rnn_tanh.input(%x, %h, [%w, %u], false, 1, 0.0, false, false, true) : (f32[2, 5, 4], f32[1, 2, 4])
          %1 = getitem(%0, 0) : f32[2, 5, 4]
          return %1
        }

    After::

        program "rnn" {
          %x = input "x" : f32[2, 5, 3]
          %h = input "h" : f32[1, 2, 4]
          %w = param "w" : f32[4, 3]
          %u = param "u" : f32[4, 4]
          %0 = aten.permute.default(%x, [1, 0, 2]) : f32[5, 2, 3]
          %1 = aten.select.int(%h, 0, 0) : f32[2, 4]
          %2 = gmn.recurrent("rnn_tanh", %0, %1, none, %w, %u, none, none, none, false) : (f32[5, 2, 4], f32[2, 4], f32[2, 4])
          %3 = getitem(%2, 0) : f32[5, 2, 4]
          %4 = aten.permute.default(%3, [1, 0, 2]) : f32[2, 5, 4]
          return %4
        }
    """  # noqa: E501

    name: ClassVar[str] = "lower-recurrent"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every recurrent layer and cell."""
        return rewrite(ir, _hand_over)


def _hand_over(node: fx.Node) -> bool:
    """Let the readers of `node` read what it is lowered to, if it is."""
    results = _lower(node)
    if results is None:
        return False
    if isinstance(node.meta["val"], torch.Tensor):
        replace(node, results[0])
        return True
    for user in result_users(node):
        replace(user, results[user.args[1]])  # type: ignore[index]
    return True


def _lower(node: fx.Node) -> tuple[fx.Node, ...] | None:
    if node.target in _LAYERS or node.target is ops.packed_recurrent:
        given = _given(node)
        return _Stack(node, given["kind"], given).lower()
    if node.target in _CELLS:
        return _cell(node, _CELLS[node.target])  # type: ignore[index]
    return None


def _given(node: fx.Node) -> dict[str, Any]:
    """The arguments of a stack of layers under the names of `aten.lstm.input`."""
    if node.target in _LAYERS:
        return {**arguments(node), "kind": _LAYERS[node.target], "sizes": None}  # type: ignore[index]
    names = inspect.signature(ops.packed_recurrent).parameters
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    hx = given["hx"] if given["kind"] == "lstm" else given["hx"][0]
    return {**given, "input": given["data"], "hx": hx, "batch_first": False}


@dataclass(frozen=True)
class _Stack:
    """One call of a multi-layer recurrent op."""

    node: fx.Node
    kind: str
    given: dict[str, Any]

    def call(self, target: Any, *args: Any) -> fx.Node:
        return emit(self.node.graph, target, args, like=self.node)

    def lower(self) -> tuple[fx.Node, ...]:
        given = self.given
        x, swap = given["input"], [1, 0, 2]
        if given["batch_first"]:
            x = self.call(aten.permute.default, x, swap)
        directions = 2 if given["bidirectional"] else 1
        cells = self.cells()
        hs: list[fx.Node] = []
        cs: list[fx.Node] = []
        for layer in range(given["num_layers"]):
            outs = []
            for direction in range(directions):
                index = layer * directions + direction
                done = self.direction(x, index, next(cells), direction == 1)
                out, h, c = (self.call(operator.getitem, done, i) for i in range(3))
                outs.append(out)
                hs.append(h)
                cs.append(c)
            features = len(shape_of(x)) - 1
            x = self.call(aten.cat.default, outs, features) if directions == 2 else outs[0]
            if given["train"] and given["dropout"] and layer < given["num_layers"] - 1:
                x = self.call(aten.dropout.default, x, given["dropout"], True)
        if given["batch_first"]:
            x = self.call(aten.permute.default, x, swap)
        states = [hs, cs] if self.kind == "lstm" else [hs]
        return (x, *(self.stack(s) for s in states))

    def cells(self) -> Iterator[tuple[Any, ...]]:
        """(w_ih, w_hh, b_ih, b_hh, w_hr) of each layer and direction."""
        params, biased = list(self.given["params"]), self.given["has_biases"]
        count = self.given["num_layers"] * (2 if self.given["bidirectional"] else 1)
        each = len(params) // count
        projected = each == (5 if biased else 3)
        for first in range(0, len(params), each):
            cell = params[first : first + each]
            w_hr = cell.pop() if projected else None
            yield (*cell, *([None] * (4 - len(cell))), w_hr)

    def direction(self, x: fx.Node, index: int, weights: tuple[Any, ...], reverse: bool) -> fx.Node:
        h, c = self.given["hx"], None
        if self.kind == "lstm":
            h, c = h
            c = self.call(aten.select.int, c, 0, index)
        h = self.call(aten.select.int, h, 0, index)
        packed = [] if self.given["sizes"] is None else [self.given["sizes"]]
        return self.call(ops.recurrent, self.kind, x, h, c, *weights, reverse, *packed)

    def stack(self, states: list[fx.Node]) -> fx.Node:
        rows = [self.call(aten.unsqueeze.default, s, 0) for s in states]
        return self.call(aten.cat.default, rows) if len(rows) > 1 else rows[0]


def _cell(node: fx.Node, kind: str) -> tuple[fx.Node, ...]:
    """One step, from `linear` and elementwise ops."""

    def call(target: Any, *args: Any) -> fx.Node:
        return emit(node.graph, target, args, like=node)

    given = arguments(node)
    h, c = given["hx"] if kind == "lstm" else (given["hx"], None)
    from_x = _linear(call, given["input"], given["w_ih"], given.get("b_ih"))
    from_h = _linear(call, h, given["w_hh"], given.get("b_hh"))
    if kind == "gru":
        return (_gru_cell(call, from_x, from_h, h),)
    gates = call(aten.add.Tensor, from_x, from_h)
    if kind == "lstm":
        return _lstm_cell(call, gates, c)
    return (call(aten.tanh.default if kind == "rnn_tanh" else aten.relu.default, gates),)


def _linear(call: Any, x: fx.Node, weight: fx.Node, bias: fx.Node | None) -> fx.Node:
    args = (x, weight) if bias is None else (x, weight, bias)
    return call(aten.linear.default, *args)  # type: ignore[no-any-return]


def _gates(call: Any, x: fx.Node, count: int) -> list[fx.Node]:
    axis = len(shape_of(x)) - 1
    size = shape_of(x)[axis] // count
    return [call(aten.slice.Tensor, x, axis, i * size, (i + 1) * size) for i in range(count)]


def _lstm_cell(call: Any, gates: fx.Node, c: Any) -> tuple[fx.Node, ...]:
    enter, forget, cell, leave = _gates(call, gates, 4)
    kept = call(aten.mul.Tensor, call(aten.sigmoid.default, forget), c)
    new = call(aten.mul.Tensor, call(aten.sigmoid.default, enter), call(aten.tanh.default, cell))
    c = call(aten.add.Tensor, kept, new)
    h = call(aten.mul.Tensor, call(aten.sigmoid.default, leave), call(aten.tanh.default, c))
    return h, c


def _gru_cell(call: Any, from_x: fx.Node, from_h: fx.Node, h: fx.Node) -> fx.Node:
    reset_x, update_x, new_x = _gates(call, from_x, 3)
    reset_h, update_h, new_h = _gates(call, from_h, 3)
    reset = call(aten.sigmoid.default, call(aten.add.Tensor, reset_x, reset_h))
    update = call(aten.sigmoid.default, call(aten.add.Tensor, update_x, update_h))
    new = call(aten.add.Tensor, new_x, call(aten.mul.Tensor, reset, new_h))
    new = call(aten.tanh.default, new)
    far = call(aten.mul.Tensor, update, call(aten.sub.Tensor, h, new))
    return call(aten.add.Tensor, new, far)  # type: ignore[no-any-return]

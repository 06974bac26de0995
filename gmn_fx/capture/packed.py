"""Packed sequences: with the lengths fixed, packing is data movement and the loop is unrolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch._decomp import decompositions

from gmn_fx.capture.constants import constant

aten = torch.ops.aten
_PACK = aten._pack_padded_sequence.default
_PAD = aten._pad_packed_sequence.default
# Each runs the loop over time with the batch sizes as plain numbers.
_LOOPS: dict[Any, Callable[..., Any]] = {
    aten.lstm.data: decompositions.lstm_data_impl,
    aten.gru.data: decompositions.gru_impl_data,
    aten.rnn_tanh.data: decompositions.rnn_tanh_data,
    aten.rnn_relu.data: decompositions.rnn_relu_data,
}


def is_packed(node: fx.Node) -> bool:
    """Whether a node packs, unpacks, or runs on a packed sequence."""
    return node.target in (_PACK, _PAD) or node.target in _LOOPS


def freeze_packed(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    """Fix the lengths of one such node as on the example inputs."""
    if node.target in _LOOPS:
        node.update_arg(1, kept[node.args[1]].tolist())  # type: ignore[index]
        node.target = _LOOPS[node.target]
    else:
        _move(graph, node, kept)


def _move(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    """Packing and padding move elements: read the movement off a tensor of positions."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    values = kept[source]
    lead = 2 if node.target is _PACK else 1
    count = values.shape[:lead].numel()
    positions = torch.arange(1, count + 1, dtype=torch.float64).reshape(*values.shape[:lead], 1)
    rest = [kept[a] if isinstance(a, fx.Node) else a for a in node.args[1:]]
    if node.target is _PAD:
        rest[2] = 0.0
    moved, other = node.target(positions, *rest)  # type: ignore[operator]
    where = moved[..., 0].long()
    padding = node.args[3] if node.target is _PAD else 0.0
    with graph.graph.inserting_before(node):
        flat = [count, *values.shape[lead:]]
        rows = graph.graph.call_function(aten.reshape.default, (source, flat))
        index = constant(graph, (where - 1).clamp(min=0), node, kept)
        data = graph.graph.call_function(aten.index.Tensor, (rows, [index]))
        if bool((where == 0).any()):
            mask = constant(graph, (where == 0).unsqueeze(-1), node, kept)
            data = graph.graph.call_function(aten.masked_fill.Scalar, (data, mask, padding))
    for new in (rows, data):
        new.meta = {k: v for k, v in node.meta.items() if k != "val"}
    for user in list(node.users):
        new = data if user.args[1] == 0 else constant(graph, other, user, kept)
        user.replace_all_uses_with(new)
        graph.graph.erase_node(user)
    graph.graph.erase_node(node)

"""Packed sequences: with the lengths fixed, packing is movement, and the layers stay layers.

Torch's own ops take the lengths as a tensor, so that no tracer knows their sizes. Those that take
their place here take them as numbers; they become the ops of the same names in `gmn_fx.ir.ops`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from gmn_fx.capture.constants import constant
from gmn_fx.ir import ops

aten = torch.ops.aten
_PACK = aten._pack_padded_sequence.default
_PAD = aten._pad_packed_sequence.default
_LAYERS = {
    aten.lstm.data: "lstm",
    aten.gru.data: "gru",
    aten.rnn_tanh.data: "rnn_tanh",
    aten.rnn_relu.data: "rnn_relu",
}
_LIBRARY = torch.library.Library("gmn_fx", "FRAGMENT")
_SCHEMAS = (
    "pack(Tensor x, Tensor lengths, int[] sizes, bool batch_first) -> Tensor",
    "unpack(Tensor data, int[] sizes, bool batch_first, float padding, int length) -> Tensor",
    "packed_recurrent(str kind, Tensor data, int[] sizes, Tensor[] hx, Tensor[] params,"
    " bool has_biases, int num_layers, float dropout, bool train, bool bidirectional)"
    " -> (Tensor, Tensor, Tensor)",
)


def _define(schema: str) -> tuple[Any, Callable[..., Any]]:
    """The torch op for a function of `gmn_fx.ir.ops`, which every tracer records as it is."""
    name = schema.partition("(")[0]
    own = getattr(ops, name)
    _LIBRARY.define(schema)
    _LIBRARY.impl(name, own, "CompositeExplicitAutograd")
    torch.library.register_fake(f"gmn_fx::{name}", own, lib=_LIBRARY)
    return getattr(torch.ops.gmn_fx, name).default, own


OWN_OPS: dict[Any, Callable[..., Any]] = dict(_define(schema) for schema in _SCHEMAS)


def is_packed(node: fx.Node) -> bool:
    """Whether a node packs, unpacks, or runs on a packed sequence."""
    return node.target in (_PACK, _PAD) or node.target in _LAYERS


def freeze_packed(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    """Fix the lengths of one such node as on the example inputs."""
    if node.target in _LAYERS:
        _layer(node, kept)
    elif node.target is _PACK:
        x, lengths, batch_first = node.args
        sizes = kept[node][1]
        packed = (x, lengths, sizes.tolist(), batch_first)
        _move(graph, node, torch.ops.gmn_fx.pack.default, packed, sizes, kept)
    else:
        args: tuple[Any, ...] = node.args
        data, sizes, batch_first, padding, _ = args
        out, lengths = kept[node]
        steps = out.shape[1 if batch_first else 0]
        padded = (data, kept[sizes].tolist(), batch_first, float(padding), steps)
        _move(graph, node, torch.ops.gmn_fx.unpack.default, padded, lengths, kept)


def _layer(node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    data, sizes, hx, *rest = node.args
    kind = _LAYERS[node.target]  # type: ignore[index]
    start = hx if kind == "lstm" else [hx]
    node.args = (kind, data, kept[sizes].tolist(), start, *rest)  # type: ignore[index]
    node.target = torch.ops.gmn_fx.packed_recurrent.default


def _move(
    graph: fx.GraphModule,
    node: fx.Node,
    target: Any,
    args: tuple[Any, ...],
    other: Tensor,
    kept: dict[fx.Node, Any],
) -> None:
    """Put `target` in the place of `node`, whose second result, `other`, becomes a constant."""
    with graph.graph.inserting_before(node):
        data = graph.graph.call_function(target, args)
    data.meta = {k: v for k, v in node.meta.items() if k != "val"}
    for user in [u for u in node.users if u.target is operator.getitem]:
        new = data if user.args[1] == 0 else constant(graph, other, user, kept)
        user.replace_all_uses_with(new)
        graph.graph.erase_node(user)
    graph.graph.erase_node(node)

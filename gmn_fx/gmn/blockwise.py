"""The dense and the streaming executor: graphs of one architecture, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gmn_fx.gmn.activation import ACTIVATIONS
from gmn_fx.gmn.dense import dense
from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.flat import merged, merged_bias
from gmn_fx.gmn.kernel import Step
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.plan import Plan
from gmn_fx.gmn.spaces import Stacked
from gmn_fx.gmn.states import States
from gmn_fx.gmn.stream import stream
from gmn_fx.gmn.sweep import Sweep


def run_blockwise(
    plan: Plan,
    values: tuple[Tensor, ...],
    batch: int,
    encoder: Encoder,
    layers: Sequence[Layer],
    readout: nn.Linear | None,
    *,
    limit: int,
    streaming: bool,
) -> States:
    """States of nodes [B, N, d] and of u [B, d]; readout of edges [B, E, C] in the plan's order."""
    config = layers[0].config
    space = Stacked(plan.fan_in, plan.fan_out, batch, plan.num_edges)
    like = encoder.value.weight
    by_node = plan.fan_in.to(like.dtype) if config.aggregation == "fan_in" else None
    sweep = Sweep(
        plan, batch, limit, config.value_frequencies, config.directions == "both",
        ACTIVATIONS[config.on_edges], encoder.scale(plan.edge_types).to(like.dtype), by_node,
        torch.is_grad_enabled(),
    )  # fmt: skip
    v = encoder.nodes(plan.node_types).unsqueeze(0)
    kinds = encoder.edges(plan.edge_types)
    u = None if encoder.start is None else encoder.start.unsqueeze(0)
    steps: list[Step] = []
    kept = values
    out: Tensor | None = None
    for i, layer in enumerate(layers):
        last = i + 1 == len(layers)
        read = layer.pre(v)
        before = layers[i - 1] if i else None
        dst, src, own = layer.project(space, read, u, merged_bias(before, layer))
        step = _step(sweep, layer, before, dst, src, encoder, kinds)
        w = readout.weight.T if readout is not None and last else None
        if streaming:
            steps.append(step)
            total, back, out = stream(sweep, steps, values, w)
        else:
            prior = steps[-1] if steps else None
            total, back, out, kept = dense(sweep, step, prior, kept, w, not last)
            steps.append(step)
        v = layer.absorb(space, v, own, total, back)
        if u is not None:
            edges = layer.edge_total(space, total.sum(1))
            u = layer.update_whole(space, u, v, edges)
    if out is not None and readout is not None:
        out = out if readout.bias is None else out + readout.bias
    return States(v, u, out)


def _step(
    sweep: Sweep, layer: Layer, before: Layer | None, dst: Tensor, src: Tensor,
    encoder: Encoder, kinds: Tensor,
) -> Step:  # fmt: skip
    norm = layer.edge_norm
    gain, shift = (None, None) if norm is None else (norm.weight, norm.bias)
    if before is None:
        part = layer.part(2).T
        return Step(dst, src, encoder.value.weight.T @ part, kinds @ part, gain, shift, sweep.act)
    return Step(dst, src, merged(before, layer), None, gain, shift, sweep.act)

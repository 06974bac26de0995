"""The dense and the streaming executor: graphs of one architecture, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gmn_fx.gmn.activation import ACTIVATIONS
from gmn_fx.gmn.byrows import Rows, by_rows
from gmn_fx.gmn.dense import dense
from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.flat import merged, merged_bias
from gmn_fx.gmn.kernel import Step
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.plan import Plan
from gmn_fx.gmn.scratch import Scratch
from gmn_fx.gmn.spaces import Stacked
from gmn_fx.gmn.states import States
from gmn_fx.gmn.stream import stream
from gmn_fx.gmn.sweep import Sweep


# a loop over blocks, of which there may be thousands: nothing for a tracer
@torch.compiler.disable  # type: ignore[untyped-decorator]
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
        torch.is_grad_enabled(), Scratch(like, limit * config.hidden),
    )  # fmt: skip
    v = encoder.nodes(plan.node_types).unsqueeze(0)
    kinds = encoder.edges(plan.edge_types)
    u = None if encoder.start is None else encoder.start.unsqueeze(0)
    nodes = (_Parted if streaming else _Nodes)(space, limit)
    steps: list[Step] = []
    kept = values
    out: Tensor | None = None
    for i, layer in enumerate(layers):
        last = i + 1 == len(layers)
        before = layers[i - 1] if i else None
        dst, src, read = nodes.ends(layer, v, u, merged_bias(before, layer))
        step = _step(sweep, layer, before, dst, src, encoder, kinds)
        w = readout.weight.T if readout is not None and last else None
        if streaming:
            steps.append(step)
            total, back, out = stream(sweep, steps, values, w)
        else:
            prior = steps[-1] if steps else None
            total, back, out, kept = dense(sweep, step, prior, kept, w, not last)
            steps.append(step)
        v = nodes.absorb(layer, v, read, u, total, back)
        if u is not None:
            edges = layer.edge_total(space, total.sum(1))
            u = layer.update_whole(space, u, v, edges)
    sweep.scratch.clear()  # a graph that waits for its backward holds none
    if out is not None and readout is not None:
        out = out if readout.bias is None else out + readout.bias
    return States(v, u, out)


@dataclass(frozen=True)
class _Nodes:
    """What a round does with the tables of the nodes."""

    space: Stacked
    limit: int

    def ends(
        self, layer: Layer, v: Tensor, u: Tensor | None, constant: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `Layer.ends`; and the states after the pre-norm, or those before it."""
        read = layer.pre(v)
        return *layer.ends(self.space, read, u, constant), read

    def absorb(
        self,
        layer: Layer,
        v: Tensor,
        read: Tensor,
        u: Tensor | None,
        at_dst: Tensor,
        at_src: Tensor | None,
    ) -> Tensor:
        """The next states; read: what `ends` gave."""
        own = layer.own(self.space, read, u)
        return layer.absorb(self.space, v, own, at_dst, at_src)


class _Parted(_Nodes):
    """The same, some nodes at a time."""

    def ends(
        self, layer: Layer, v: Tensor, u: Tensor | None, constant: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `Layer.ends`; and the states, whose pre-norm is computed again."""

        def work(low: int, high: int, v: Tensor, u: Any, constant: Any) -> tuple[Tensor, ...]:
            return layer.ends(self.space.cut(low, high), layer.pre(v), u, constant)

        dst, src = by_rows(self._rows(layer, work, 1, False), [v, u, constant])
        return dst, src, v

    def absorb(
        self,
        layer: Layer,
        v: Tensor,
        read: Tensor,
        u: Tensor | None,
        at_dst: Tensor,
        at_src: Tensor | None,
    ) -> Tensor:
        """The next states."""

        def work(
            low: int, high: int, v: Tensor, at_dst: Tensor, at_src: Any, u: Any
        ) -> tuple[Tensor]:
            space = self.space.cut(low, high)
            own = layer.own(space, layer.pre(v), u)
            return (layer.absorb(space, v, own, at_dst, at_src),)

        random = layer.training and layer.drop.p > 0
        return by_rows(self._rows(layer, work, 3, random), [v, at_dst, at_src, u])[0]

    def _rows(self, layer: Layer, work: Any, tables: int, random: bool) -> Rows:
        step = max(64, self.limit // self.space.batch)
        params = tuple(p for p in layer.parameters() if p.requires_grad)
        return Rows(work, len(self.space.fan_in), step, tables, random, params)


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

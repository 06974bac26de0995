"""What is done with one block of edges: the hidden layer of the edge MLP, its sums, its gradients.

Everything here works on `[B, P, D, S, R, H]`: a few graphs of one architecture, one block (see
`gmn_fx.gmn.plan`), H hidden units. Three rewrites of `act(W [v_dst; v_src; e; u])`, all exact: the
parts of the nodes and of u are projected once a node (`Step.dst`, `Step.src`); the first layer
reads `e = value features + type`, of low rank; from then on the last linear of the edge MLP and
the first of the next layer are one matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gmn_fx.gmn.activation import Activation
from gmn_fx.gmn.plan import Block

_EPS = 1e-5


@dataclass(frozen=True)
class Parts:
    """The tensors of one layer, or the sums of their gradients.

    dst, src: [B or 1, N, H], projections of the nodes; dst holds the bias and the part of u.
    weight: [F, H] from the features of the values (the first layer), else [H, H] from the hidden
        layer before.
    types: [T, H], what the types of the edges add; the first layer only.
    gain, shift: [H] of a LayerNorm before the activation, or None.
    """

    dst: Tensor
    src: Tensor
    weight: Tensor
    types: Tensor | None
    gain: Tensor | None
    shift: Tensor | None

    def tensors(self) -> tuple[Tensor | None, ...]:
        """In the order of the fields."""
        return self.dst, self.src, self.weight, self.types, self.gain, self.shift

    def zeros(self) -> Parts:
        """Zeros of the same shapes."""
        return Parts(*(None if t is None else torch.zeros_like(t) for t in self.tensors()))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Step(Parts):
    """One layer: its tensors and its activation."""

    act: Activation

    @property
    def keeps_result(self) -> bool:
        """Whether backward needs the hidden layer itself, not the argument of norm and act."""
        return self.gain is None and self.act.from_result


def rows_base(block: Block, step: Step, low: int, high: int) -> tuple[Tensor, Tensor]:
    """Two tensors whose sum is the part of the argument that does not come from edges.

    Both are, or broadcast to, [B, P, D, S, R, H]; what the types add is with the one that it fits.
    """
    left = at_dst(block, step.dst, low, high, wide=step.types is None)
    right = at_src(block, step.src, low, high, wide=step.types is None)
    if step.types is None:
        return left, right
    if block.kinds.numel() == 1:
        added = step.types[block.kinds.reshape(-1)[0]]
    else:
        added = step.types[block.kinds]
    if block.kinds.shape[1] == 1 or block.kinds.shape[2] > 1:
        return left, right + added
    return left + added, right


def argument(step: Step, below: Tensor, base: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """The argument of norm and activation, written into `out` [B, P, D, S, R, H].

    below: [B, edges, F or H]. base: one or two tensors, see `rows_base`.
    """
    if step.weight.shape[0] == 1:
        first = base[0] if len(base) == 1 else add_into(base[0], base[1], out)
        return torch.addcmul(first, below.reshape(*out.shape[:-1], 1), step.weight[0], out=out)
    if len(base) == 1:
        out.copy_(base[0])
    else:
        add_into(base[0], base[1], out)
    out.view(-1, out.shape[-1]).addmm_(below.reshape(-1, below.shape[-1]), step.weight)
    return out


def add_into(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """Left + right, broadcast to `out`."""
    if left.shape != out.shape or right.shape != out.shape:
        left, right = left.expand(out.shape), right.expand(out.shape)
    return torch.add(left, right, out=out)


def finish(step: Step, x: Tensor, out: Tensor) -> Tensor:
    """The hidden layer from the argument, written into `out`, which may be `x`."""
    if step.gain is not None:
        normed = torch.native_layer_norm(x, [x.shape[-1]], step.gain, step.shift, _EPS)[0]
        return step.act.into(normed, out)
    return step.act.into(x, out)


def unfinish(step: Step, g: Tensor, kept: Tensor, grads: Parts) -> Tensor:
    """Gradient of the argument from that of the hidden layer, which is overwritten.

    kept: the hidden layer if the step `keeps_result`, else the argument.
    """
    if step.gain is None:
        return step.act.back(g, kept)
    width = [kept.shape[-1]]
    normed, mean, rstd = torch.native_layer_norm(kept, width, step.gain, step.shift, _EPS)
    g = step.act.back(g, step.act.into(normed, normed) if step.act.from_result else normed)
    g, gain, shift = torch.ops.aten.native_layer_norm_backward(
        g, kept, width, mean, rstd, step.gain, step.shift, [True, True, True]
    )
    assert grads.gain is not None
    assert grads.shift is not None
    grads.gain.add_(gain)
    grads.shift.add_(shift)
    return g


def to_dst(block: Block, h: Tensor) -> Tensor:
    """Sums over the edges that end at a node: [B, P * D, H]."""
    p, d, s, r = block.shape
    flat = h.reshape(-1, s * r, h.shape[-1])
    return (flat[:, 0] if s * r == 1 else flat.sum(1)).reshape(-1, p * d, h.shape[-1])


def to_src(block: Block, h: Tensor) -> Tensor:
    """Sums over the edges that begin at a node: [B, P * S, H]."""
    p, d, s, r = block.shape
    width = h.shape[-1]
    flat = h.reshape(-1, d, s * r * width)
    out = flat[:, 0] if d == 1 else flat.sum(1)
    if r > 1:
        out = out.reshape(-1, r, width).sum(1)
    return out.reshape(-1, p * s, width)


def at_dst(block: Block, table: Tensor, low: int, high: int, *, wide: bool) -> Tensor:
    """A table [B or 1, N, H] at the destinations of the edges: [B, P, D, S, R, H], a view.

    wide: in full; else with size 1 along the axes S and R.
    """
    p, d, s, r = block.shape
    shape = (p, d, s, r) if wide else (p, d, 1, 1)
    return block.dst.on(table, low, high, shape, (d, 1, 0, 0))


def at_src(block: Block, table: Tensor, low: int, high: int, *, wide: bool) -> Tensor:
    """The same at the sources; size 1 along D and R."""
    p, d, s, r = block.shape
    shape = (p, d, s, r) if wide else (p, 1, s, 1)
    return block.src.on(table, low, high, shape, (s, 0, 1, 0))


def collect(block: Block, g: Tensor, grads: Parts, low: int, high: int) -> None:
    """Add the gradient of the argument to that of the nodes' projections and of the types."""
    if grads.dst.shape[0] == 1 and g.shape[0] > 1:
        g = g.sum(0, keepdim=True)
    left = to_dst(block, g)
    block.dst.add(grads.dst, low, high, left)
    block.src.add(grads.src, low, high, to_src(block, g))
    if grads.types is None:
        return
    width = g.shape[-1]
    if block.kinds.numel() == 1:
        grads.types[int(block.kinds)] += left.reshape(-1, width).sum(0)
        return
    axes = [0] + [i + 1 for i, n in enumerate(block.kinds.shape) if n == 1]
    part = g.sum(axes).reshape(-1, width)
    grads.types.index_add_(0, block.kinds.reshape(-1), part)


def features(w: Tensor, frequencies: int) -> Tensor:
    """Features of values [B, edges]: [B, edges, 1 + 2 * frequencies]: w, sines, cosines."""
    if not frequencies:
        return w.unsqueeze(-1)
    angle = w.unsqueeze(-1) * _turns(frequencies, w)
    return torch.cat([w.unsqueeze(-1), angle.sin(), angle.cos()], -1)


def features_back(g: Tensor, w: Tensor, frequencies: int) -> Tensor:
    """Gradient of the values from that of their features."""
    out = g[..., 0]
    if frequencies:
        turns = _turns(frequencies, w)
        angle = w.unsqueeze(-1) * turns
        sines, cosines = g[..., 1 : 1 + frequencies], g[..., 1 + frequencies :]
        out = out + ((sines * angle.cos() - cosines * angle.sin()) * turns).sum(-1)
    return out


def _turns(frequencies: int, like: Tensor) -> Tensor:
    return math.pi * 2.0 ** torch.arange(frequencies, dtype=like.dtype, device=like.device)


def values_of(
    block: Block, values: tuple[Tensor, ...], factor: Tensor, low: int, high: int
) -> Tensor:
    """Values of the edges of a block, [B, edges]: 1 on parameter-free edges; times the factor."""
    if block.reading is None:
        return factor.expand(block.shape).reshape(1, -1).expand(high - low, -1)
    w = block.reading.get(values, low, high).reshape(high - low, *block.shape)
    return (w * factor).reshape(high - low, block.size)


def factor_of(block: Block, by_type: Tensor, by_node: Tensor | None) -> Tensor:
    """What the values of a block are multiplied by, broadcastable to [P, D, S, R].

    by_type: [T], for each type of edge. by_node: [N], for each target of an edge, or None.
    """
    factor = by_type[block.kinds]
    if by_node is None:
        return factor
    p, d, _, _ = block.shape
    return factor * by_node[block.dst.index(by_node.device)].reshape(p, d, 1, 1)

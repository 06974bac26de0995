"""Ops that mix along spatial axes only: pooling, interpolation, cumulative sums, FFT, sorting.

Free where no neurons lie along those axes; where neurons do, the op is kept opaque.
"""

from __future__ import annotations

from typing import Any

import torch

from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.reduce import opaque, positional

from ..plugin import plugin

aten = torch.ops.aten


def _name(b: Builder) -> str:
    return b.node.target.overloadpacket.__name__  # type: ignore[union-attr]


def along_dims(b: Builder, x: Value, dims: list[int], text: str) -> Any:
    """The op on all its results, positional or opaque."""
    x = b.as_act(x)
    many = isinstance(b.node.meta["val"], (tuple, list))  # type: ignore[union-attr]
    outs = []
    for i, shape in enumerate(b.shapes):
        out = positional(b, x, dims, shape, text if i == 0 else f"{text} result {i}")
        if out is None:
            made = opaque(b, [x], b.shapes, text)
            return made if many else made[0]
        outs.append(out)
    return tuple(outs) if many else outs[0]


def _spelled(name: str, args: Any) -> str:
    plain = [a for a in args if not isinstance(a, (Act, Par))]
    return f"{name}({','.join(str(a) for a in plain)})" if plain else name


@plugin.lowering(
    aten.max_pool1d,
    aten.max_pool2d,
    aten.max_pool3d,
    aten.avg_pool1d,
    aten.avg_pool2d,
    aten.avg_pool3d,
    aten.max_pool2d_with_indices,
    aten.max_pool3d_with_indices,
    aten.max_pool1d_with_indices,
    aten.adaptive_avg_pool1d,
    aten.adaptive_avg_pool2d,
    aten.adaptive_avg_pool3d,
    aten._adaptive_avg_pool2d,
    aten._adaptive_avg_pool3d,
    aten.adaptive_max_pool1d,
    aten.adaptive_max_pool2d,
    aten.adaptive_max_pool3d,
    aten.fractional_max_pool2d,
)
def pool(b: Builder, x: Value, *args: Any, **_: Any) -> Any:
    """Pooling over the trailing axes."""
    digits = [c for c in _name(b) if c in "123"]
    n = int(digits[0])
    return along_dims(b, x, list(range(-n, 0)), _spelled(_name(b), args))


@plugin.lowering(
    aten.upsample_nearest1d,
    aten.upsample_nearest2d,
    aten.upsample_nearest3d,
    aten.upsample_bilinear2d,
    aten.upsample_linear1d,
    aten.upsample_trilinear3d,
    aten.upsample_bicubic2d,
    aten._upsample_nearest_exact2d,
    aten._upsample_nearest_exact1d,
    aten._upsample_bilinear2d_aa,
    aten._upsample_bicubic2d_aa,
    aten.reflection_pad1d,
    aten.reflection_pad2d,
    aten.reflection_pad3d,
    aten.replication_pad1d,
    aten.replication_pad2d,
    aten.replication_pad3d,
)
def resize(b: Builder, x: Value, *args: Any, **_: Any) -> Any:
    """Interpolation and padding by content; the size of the example stays out of the history."""
    n = int(next(c for c in _name(b) if c in "123"))
    text = _spelled(_name(b), args) if "pad" in _name(b) else _name(b)
    return along_dims(b, x, list(range(-n, 0)), text)


@plugin.lowering(
    aten.cumsum,
    aten.cumprod,
    aten.logcumsumexp,
    aten.cummax,
    aten.cummin,
    aten.sort.default,
    aten.argsort,
)
def scan(b: Builder, x: Value, dim: int = -1, *args: Any, **_: Any) -> Any:
    """Cumulative ops and sorting along one axis."""
    return along_dims(b, x, [dim], _name(b))


@plugin.lowering(aten.topk)
def topk(b: Builder, x: Value, k: int, dim: int = -1, *_: Any, **__: Any) -> Any:
    """The largest along one axis; over neurons it is opaque."""
    return along_dims(b, x, [dim], f"topk({k})")


@plugin.lowering(aten.grid_sampler_2d, aten.grid_sampler, aten.grid_sampler_3d)
def grid_sample(b: Builder, x: Value, grid: Value, *args: Any) -> Any:
    """Sampling at positions that are data."""
    x, where = b.as_act(x), b.as_act(grid)
    if where.factors:
        return opaque(b, [x, where], b.shapes, _name(b))[0]
    return along_dims(b, x, list(range(2 - len(x.shape), 0)), _spelled(_name(b), args))

"""Ops that mix along spatial axes only: pooling, interpolation, cumulative sums, FFT.

Free where no neurons lie along those axes; where neurons do, a node reads them all, each at its
place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.choice import plain
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import move, move_act
from gmn_fx.lowering.reduce import mixed, opaque, reduce
from gmn_fx.lowering.selected import reads_selected, united
from gmn_fx.lowering.values import Order

from ..plugin import plugin

aten = torch.ops.aten


def _name(b: Builder) -> str:
    return b.node.target.overloadpacket.__name__  # type: ignore[union-attr]


def along_dims(b: Builder, x: Value, dims: list[int], text: str) -> Any:
    """The op on all its results."""
    x = b.as_act(x)
    many = isinstance(b.node.meta["val"], (tuple, list))  # type: ignore[union-attr]
    outs = []
    for i, shape in enumerate(b.shapes):
        out = mixed(b, x, dims, shape, text if i == 0 else f"{text} result {i}")
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
    tiled = _over_tiles(b, b.canonical(b.as_act(x)), n, args)
    if tiled is not None:
        return tiled
    return along_dims(b, x, list(range(-n, 0)), _spelled(_name(b), args))


def _over_tiles(b: Builder, x: Act, n: int, args: Any) -> Act | None:
    """Pooling over neurons by windows side by side (maxout): a reduction over groups of them."""
    name, dims = _name(b), range(x.dim - n, x.dim)
    if not any(x.on(d) for d in dims) or "fractional" in name or "indices" in name:
        return None
    if isinstance(b.node.meta["val"], (tuple, list)):  # type: ignore[union-attr]
        return None
    schema = b.node.target._schema.arguments[1:]  # type: ignore[union-attr]
    given = {a.name: v for a, v in zip(schema, args, strict=False)}
    sizes = [x.shape[d] // o for d, o in zip(dims, b.shape[-n:], strict=True)]
    whole = all(s * o == x.shape[d] for s, o, d in zip(sizes, b.shape[-n:], dims, strict=True))
    tight = {"stride": sizes, "kernel_size": sizes, "padding": [0] * n, "dilation": [1] * n}
    for key, want in tight.items():
        got = given.get(key) or want
        got = [got] if isinstance(got, int) else list(got)
        whole = whole and (got * n)[:n] == want
    if not whole or given.get("divisor_override") is not None:
        return None
    pairs = [m for o, s in zip(b.shape[-n:], sizes, strict=True) for m in (o, s)]
    lead = x.shape[: x.dim - n]
    tiles = move_act(b, lambda t: t.reshape(*lead, *pairs), x)
    axes = [len(lead) + 2 * i + 1 for i in range(n)]
    return reduce(b, tiles, axes, "amax" if "max" in name else "mean", keepdim=False)


@plugin.lowering(aten.max_unpool2d, aten.max_unpool3d)
def unpool(b: Builder, x: Value, places: Value, *_: Any) -> Any:
    """Back to where the largest entries were found: a function of them and of the places."""
    dims = list(range(-int(_name(b)[-2]), 0))
    parts = [along_dims(b, v, dims, _name(b)) for v in (x, places)]
    return join(b, parts, b.shape, Spec(_name(b), (0, 1)))


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
)
@reads_selected
def scan(b: Builder, x: Any, dim: int = -1, *args: Any, **_: Any) -> Any:
    """Cumulative ops along one axis. Sums of how often experts were chosen end their groups."""
    order = x.order if isinstance(x, Act) else None
    if order is not None and order.role == "counts" and _name(b) == "cumsum":
        return replace(b.step(x, "cumsum"), order=Order(order.choice, "ends"))
    x = plain(b, united(b, x))
    return along_dims(b, x, [dim], _name(b))


@plugin.lowering(
    aten.fft_fft, aten.fft_ifft, aten.fft_rfft, aten.fft_irfft, aten.fft_hfft, aten.fft_ihfft,
)  # fmt: skip
def fourier(b: Builder, x: Value, n: Any = None, dim: int = -1, norm: Any = None) -> Any:
    """One Fourier transform."""
    return along_dims(b, x, [dim], _fourier(b, n is not None, norm))


@plugin.lowering(
    aten.fft_fft2, aten.fft_ifft2, aten.fft_rfft2, aten.fft_irfft2,
    aten.fft_fftn, aten.fft_ifftn, aten.fft_rfftn, aten.fft_irfftn,
)  # fmt: skip
def fourier_many(b: Builder, x: Value, sizes: Any = None, dim: Any = None, norm: Any = None) -> Any:
    """Fourier transforms along several axes."""
    rank = len(x.shape)
    if dim is None:
        dim = (-2, -1) if _name(b).endswith("2") else range(-len(sizes) if sizes else -rank, 0)
    return along_dims(b, x, list(dim), _fourier(b, sizes is not None, norm))


@plugin.lowering(aten._fft_r2c, aten._fft_c2r, aten._fft_c2c)
def fourier_kernel(b: Builder, x: Value, dim: Any, norm: int, last: Any) -> Any:
    """The kernels behind them; `last` is onesided, forward, or a size."""
    way = last if isinstance(last, bool) else ""
    return along_dims(b, x, list(dim), f"{_name(b)}({norm},{way})")


def _fourier(b: Builder, resized: bool, norm: Any) -> str:
    """The size of the example stays out of the history."""
    marks = [norm] * bool(norm) + ["resized"] * resized
    return f"{_name(b)}({','.join(marks)})" if marks else _name(b)


@plugin.lowering(aten.fft_fftshift, aten.fft_ifftshift)
def fourier_shift(b: Builder, x: Value, dim: Any = None) -> Any:
    """A roll by half of each axis."""
    dims = list(range(len(x.shape))) if dim is None else [dim] if isinstance(dim, int) else dim
    return along_dims(b, x, list(dims), _name(b))


@plugin.lowering(aten.grid_sampler_2d, aten.grid_sampler, aten.grid_sampler_3d)
def grid_sample(b: Builder, x: Value, grid: Value, *args: Any) -> Any:
    """Sampling at places that are data, or computed: each coordinate is an operand of its own."""
    text = _spelled(_name(b), args)
    spatial = list(range(2 - len(x.shape), 0))
    where = b.canonical(b.as_act(grid))
    x = b.canonical(b.as_act(x))
    if not where.factors and not x.on(0):
        return along_dims(b, x, spatial, f"{text} {b.data_key(where)}")
    shape = b.shape
    sampled = mixed(b, x, spatial, shape, text)
    assert sampled is not None

    def coordinate(t: Tensor, i: int) -> Tensor:
        return t.select(-1, i).unsqueeze(1)

    places = [move(b, lambda t, i=i: coordinate(t, i), where) for i in range(where.shape[-1])]
    operands = tuple(range(len(places) + 1))
    return join(b, [sampled, *places], shape, Spec(text, operands))  # type: ignore[list-item]


@plugin.lowering(aten.affine_grid_generator)
def affine_grid(b: Builder, theta: Value, size: Any, align: bool) -> Any:
    """A coordinate is one function of its row of the matrix, over all places."""
    shape = b.shape
    rows = reduce(b, b.as_act(theta), [-1], "affine_grid", keepdim=False, ordered=True)
    middle = (1,) * (len(shape) - 2)
    return move(
        b,
        lambda t: t.reshape(t.shape[0], *middle, t.shape[1]).expand(shape),
        rows,
        positional=f"affine_grid({align})",
    )

"""Weights that are activations, modulated features, and control flow that depends on data."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple
from tests.zoo.dense import mlp


class FilmConv(nn.Module):
    """A condition scales and shifts the channels of an image after a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, affine=False)
        self.gamma, self.beta = nn.Linear(3, 4), nn.Linear(3, 4)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        gamma, beta = self.gamma(c)[:, :, None, None], self.beta(c)[:, :, None, None]
        return self.last(torch.relu(self.norm(self.first(x)) * gamma + beta))


class AdaptiveNorm(nn.Module):
    """DiT: shift, scale and gate of a residual branch from a condition."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate, self.branch = nn.Linear(5, 3 * width), mlp(width, 6, width)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        x = self.stem(x)
        shift, scale, gate = self.modulate(F.silu(c)).chunk(3, dim=-1)
        return self.head(x + gate * self.branch(self.norm(x) * (1 + scale) + shift))


class HyperMlp(nn.Module):
    """A hypernetwork writes all weights and biases of a two-layer net into one vector."""

    def __init__(self, inner: int = 3, hidden: int = 4, outer: int = 2) -> None:
        super().__init__()
        self.sizes = (inner * hidden, hidden, hidden * outer, outer)
        self.shapes = ((hidden, inner), (outer, hidden))
        self.make = mlp(5, 6, sum(self.sizes))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        w1, b1, w2, b2 = self.make(c).split(self.sizes, dim=-1)
        x = torch.bmm(w1.view(-1, *self.shapes[0]), x.unsqueeze(-1)).squeeze(-1) + b1
        x = torch.bmm(w2.view(-1, *self.shapes[1]), torch.relu(x).unsqueeze(-1)).squeeze(-1)
        return x + b2


class HyperConv(nn.Module):
    """A small net turns a learned code into the kernel of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.randn(5))
        self.make, self.first = nn.Linear(5, 4 * 3 * 9), nn.Conv2d(2, 3, 1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.make(torch.tanh(self.code)).view(4, 3, 3, 3)
        return self.last(torch.relu(F.conv2d(torch.relu(self.first(x)), kernel)))


class CondConv(nn.Module):
    """A kernel for each example, mixed from experts; the batch is folded into the channels."""

    def __init__(self, experts: int = 3) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 4, 1), nn.Conv2d(5, 2, 1)
        self.route = nn.Linear(4, experts)
        self.weight = nn.Parameter(torch.randn(experts, 5, 4, 3, 3) * 0.3)
        self.bias = nn.Parameter(torch.randn(experts, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        b, c, h, w = x.shape
        gate = torch.sigmoid(self.route(x.mean((2, 3))))
        kernel = (gate @ self.weight.flatten(1)).view(b * 5, c, 3, 3)
        bias = (gate @ self.bias).view(-1)
        x = F.conv2d(x.reshape(1, b * c, h, w), kernel, bias, padding=1, groups=b)
        return self.last(torch.relu(x.view(b, 5, h, w)))


class StyleConv(nn.Module):
    """StyleGAN2: a kernel modulated by a style and demodulated, one group for each example."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 4, 1), nn.Conv2d(5, 2, 1)
        self.style, self.weight = nn.Linear(3, 4), nn.Parameter(torch.randn(1, 5, 4, 3, 3) * 0.3)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        b, _, h, w = x.shape
        weight = self.weight * self.style(c).view(b, 1, 4, 1, 1)
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
        x = F.conv2d(x.reshape(1, -1, h, w), weight.view(b * 5, 4, 3, 3), padding=1, groups=b)
        return self.last(torch.relu(x.view(b, 5, h, w)))


class Involution(nn.Module):
    """A kernel for each place, made from the features there and shared by the channels."""

    def __init__(self, groups: int = 2) -> None:
        super().__init__()
        self.first, self.last, self.groups = nn.Conv2d(2, 6, 1), nn.Conv2d(6, 2, 1), groups
        self.make = nn.Conv2d(6, groups * 9, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        b, c, h, w = x.shape
        kernel = self.make(x).view(b, self.groups, 1, 9, h, w)
        patches = F.unfold(x, 3, padding=1).view(b, self.groups, c // self.groups, 9, h, w)
        return self.last((kernel * patches).sum(3).flatten(1, 2))


class FastWeights(nn.Module):
    """A matrix of outer products written over time, then read."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value, self.query = nn.Linear(3, 4), nn.Linear(3, 5), nn.Linear(3, 4)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        k, v = torch.tanh(self.key(x)), self.value(x)
        memory = torch.einsum("btk,btv->bkv", k, v)
        return self.head(torch.einsum("bk,bkv->bv", torch.tanh(self.query(x[:, -1])), memory))


class Branch(nn.Module):
    """An `if` on a value: the branch of the example is what is captured."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Linear(3, 5), nn.Linear(5, 2), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.stem(x))
        if h.sum() >= 0:
            return self.left(h)
        return self.right(h)


class EarlyExit(nn.Module):
    """Layers run until the norm is large; the number of steps is that of the example."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.step, self.head = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, steps = torch.relu(self.stem(x)), 0
        while x.norm().item() >= 0 and steps < 3:
            x, steps = torch.tanh(self.step(x)), steps + 1
        return self.head(x)


class MaskedRows(nn.Module):
    """Rows that a comparison selects, by boolean indexing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head(x[x.sum(-1) >= 0].mean(0))


def _two(make: Callable[[], nn.Module], *widths: int) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(), tuple(torch.randn(batch, w) for w in widths), {})


def _image(make: Callable[[], nn.Module]) -> Callable[[int, int], Sample]:
    return lambda b, s: (make(), (torch.randn(b, 2, s, s), torch.randn(b, 3)), {})


_IMAGE = (2, "s", "s")
_ENDS = {"first.weight": 2, "last.weight": 2}

CASES: tuple[Case, ...] = (
    Case("film-conv", _image(FilmConv), size=4, resized=5,
         classes={"first.weight": 18, "gamma.weight": 3, "beta.weight": 3, "gamma.bias": 1}),
    Case("adaptive-norm", _two(AdaptiveNorm, 3, 5), classes={
        "stem.weight": 3, "modulate.weight": 15, "modulate.bias": 3, "branch.0.weight": 1}),
    Case("hyper-mlp", _two(HyperMlp, 3, 5), classes={
        "make.0.weight": 5, "make.2.weight": 8, "make.2.bias": 8}),
    Case("hyper-conv", simple(HyperConv, *_IMAGE), size=4, resized=5,
         classes=_ENDS | {"code": 1, "make.weight": 9, "make.bias": 9}),
    Case("cond-conv", simple(CondConv, *_IMAGE), size=3, resized=4,
         classes=_ENDS | {"route.weight": 1, "weight": 9, "bias": 1}),
    Case("style-conv", _image(StyleConv), size=3, resized=4,
         classes=_ENDS | {"style.weight": 3, "style.bias": 1, "weight": 9}),
    Case("involution", simple(Involution, *_IMAGE), size=4, resized=5,
         classes=_ENDS | {"make.weight": 9, "make.bias": 9}),
    Case("fast-weights", simple(FastWeights, "s", 3), size=4, resized=5, classes={
        "key.weight": 3, "value.weight": 3, "query.weight": 3, "head.weight": 2}),
    Case("branch-on-data", simple(Branch, 3), classes={"stem.weight": 3, "left.weight": 2}),
    Case("early-exit", simple(EarlyExit, 3), classes={"stem.weight": 3, "head.weight": 2}),
    Case("rows-by-mask", simple(MaskedRows, 3), classes={"stem.weight": 3, "head.weight": 2}),
)  # fmt: skip

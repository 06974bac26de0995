"""Normalising flows: splits, permutations, couplings, and determinants of weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, simple
from tests.zoo.dense import mlp


class SplitCoupling(nn.Module):
    """Affine coupling of two halves; a fixed permutation between two such layers."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(mlp(2, 5, 6) for _ in range(2))
        self.register_buffer("order", torch.tensor([3, 0, 4, 1, 2]), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(x.shape[0])
        for net in self.nets:
            left, right = x.split([2, 3], dim=1)
            scale, shift = net(left).chunk(2, dim=1)
            scale = torch.tanh(scale)
            x = torch.cat([left, right * scale.exp() + shift], dim=1)[:, self.order]
            total = total + scale.sum(1)
        return x, total


class MaskCoupling(nn.Module):
    """RealNVP with alternating masks in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.ModuleList(mlp(4, 5, 4, act=nn.Tanh) for _ in range(2))
        self.shift = nn.ModuleList(mlp(4, 6, 4) for _ in range(2))
        mask = torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = 0.0
        for mask, scale, shift in zip(self.mask, self.scale, self.shift, strict=True):
            kept = x * mask
            s, t = scale(kept) * (1 - mask), shift(kept) * (1 - mask)
            x = kept + (1 - mask) * (x * torch.exp(s) + t)
            total = total + s.sum(dim=1)
        return x, total


class Glow(nn.Module):
    """ActNorm, an invertible 1x1 convolution with its log-determinant, and a coupling."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])
        self.net = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        area = x.shape[2] * x.shape[3]
        x = torch.exp(self.log_scale) * (x + self.bias)
        x = F.conv2d(x, self.weight[:, :, None, None])
        left, right = x.chunk(2, dim=1)
        shift, log_scale = self.net(left).chunk(2, dim=1)
        scale = torch.sigmoid(log_scale + 2.0)
        x = torch.cat([left, (right + shift) * scale], dim=1)
        fixed = area * (self.log_scale.sum() + torch.slogdet(self.weight)[1])
        return x, fixed + scale.log().flatten(1).sum(-1)


class TwoRotations(nn.Module):
    """Two invertible matrices in a row: what lies between them may be permuted."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.eye(width) + 0.3 * torch.randn(width, width))
        self.second = nn.Parameter(torch.eye(width) + 0.3 * torch.randn(width, width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu(x @ self.first.t(), 0.5) @ self.second.t()
        return x, torch.slogdet(self.first)[1] + torch.slogdet(self.second)[1]


class Inverse(nn.Module):
    """A hidden layer through the inverse of a matrix, once explicit and once as a solution."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.one = nn.Parameter(2 * torch.eye(width) + 0.3 * torch.randn(width, width))
        self.two = nn.Parameter(2 * torch.eye(width) + 0.3 * torch.randn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(F.linear(self.stem(x), torch.inverse(self.one)))
        return self.head(torch.tanh(torch.linalg.solve(self.two, x.t()).t()))


class LuFlow(nn.Module):
    """A 1x1 convolution as permutation, unit lower and upper triangle, and signed diagonal."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.lower = nn.Parameter(torch.randn(width, width) * 0.3)
        self.upper = nn.Parameter(torch.randn(width, width) * 0.3)
        self.log_s = nn.Parameter(torch.zeros(width))
        self.register_buffer("order", torch.eye(width)[[2, 0, 3, 1]], persistent=False)
        self.register_buffer("sign", torch.tensor([1.0, -1.0, 1.0, -1.0]), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lower = torch.tril(self.lower, -1) + torch.eye(self.lower.shape[0])
        upper = torch.triu(self.upper, 1) + torch.diag(self.sign * self.log_s.exp())
        return x @ (self.order @ lower @ upper).t(), self.log_s.sum()


class Planar(nn.Module):
    """Planar flow: one direction for each step, and the logarithm of its determinant."""

    def __init__(self, width: int = 3, steps: int = 2) -> None:
        super().__init__()
        self.w, self.u = (nn.Parameter(torch.randn(steps, width) * 0.4) for _ in range(2))
        self.b = nn.Parameter(torch.randn(steps))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(x[:, 0])
        for w, u, b in zip(self.w, self.u, self.b, strict=True):
            inner = torch.tanh(x @ w + b)
            total = total + torch.log((1 + (1 - inner**2) * (w @ u)).abs() + 1e-6)
            x = x + u * inner[:, None]
        return x, total


class Made(nn.Module):
    """Masked autoencoder: degrees of the units decide which weights count."""

    def __init__(self, width: int = 3, hidden: int = 6) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, 2 * width)
        inputs, units = torch.arange(width), torch.arange(hidden) % (width - 1)
        self.register_buffer("into", (units[:, None] >= inputs).float(), persistent=False)
        out = (inputs[:, None] > units).float().repeat(2, 1)
        self.register_buffer("out", out, persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.relu(F.linear(x, self.first.weight * self.into, self.first.bias))
        mean, log = F.linear(h, self.second.weight * self.out, self.second.bias).chunk(2, -1)
        return (x - mean) * torch.exp(-log), -log.sum(-1)


class Sylvester(nn.Module):
    """A continuous flow step: the trace of the Jacobian of a one-layer net, written out."""

    def __init__(self, width: int = 3, hidden: int = 5) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, hidden), nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.inner(x))
        through = (self.inner.weight * self.outer.weight.t()).sum(1)
        return x + self.outer(h), ((1 - h**2) * through).sum(-1)


def _case(name: str, make: Callable[[], nn.Module], width: int, **classes: int) -> Case:
    dotted = {slot.replace("__", "."): count for slot, count in classes.items()}
    return Case(name, simple(make, width), classes=dotted)


CASES: tuple[Case, ...] = (
    _case("flow-split-coupling", SplitCoupling, 5, nets__0__0__weight=2, nets__1__2__weight=6),
    _case("flow-mask-coupling", MaskCoupling, 4, scale__0__0__weight=4, shift__1__2__weight=4),
    Case("flow-glow", simple(Glow, 4, "s", "s"), size=3, resized=None,
         classes={"log_scale": 4, "weight": 16, "net.0.weight": 18}),
    _case("flow-two-rotations", TwoRotations, 4, first=4, second=4),
    _case("inverse-weights", Inverse, 3, stem__weight=3, one=1, two=1, head__weight=2),
    _case("flow-lu", LuFlow, 4, log_s=4),
    _case("flow-planar", Planar, 3, w=6, u=6, b=2),
    _case("flow-made", Made, 3, first__bias=2),
    _case("flow-trace", Sylvester, 3, inner__weight=3, outer__weight=3, inner__bias=1),
)  # fmt: skip

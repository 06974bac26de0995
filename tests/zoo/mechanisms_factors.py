"""Values of several factors, constants between them, and tables beside tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.zoo.case import Case, simple


def _outer(a: Tensor, c: Tensor) -> Tensor:
    return a.relu()[..., :, None] * c.relu()[..., None, :]


class OuterSums(nn.Module):
    """A sum of outer products: which left side goes with which right side must be known."""

    def __init__(self, terms: int = 2) -> None:
        super().__init__()
        self.left = nn.ModuleList(nn.Linear(3, 4) for _ in range(terms))
        self.right = nn.ModuleList(nn.Linear(3, 5) for _ in range(terms))
        self.u, self.v = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.left, self.right, strict=True)
        total = sum(_outer(left(x), right(x)) for left, right in pairs)
        return torch.einsum("bij,i,j->b", total, self.u, self.v)


class Resolvent(nn.Module):
    """A hidden layer through the inverse of identity plus outer product."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.a, self.c = nn.Parameter(torch.rand(width) * 0.3), nn.Parameter(torch.rand(width))
        self.register_buffer("eye", torch.eye(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.eye + torch.outer(self.a, self.c)
        return self.head(torch.linalg.solve(matrix, self.stem(x).tanh().T).T.relu())


class Band(nn.Module):
    """Units attend to units, but only to neighbours: a constant matrix between two factors."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(3, width) for _ in range(3))
        self.head = nn.Linear(width, 2)
        step = (torch.arange(width)[:, None] - torch.arange(width)).abs()
        self.register_buffer("mask", torch.where(step < 2, 0.0, -30.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        score = self.q(x)[:, :, None] * self.k(x)[:, None, :] + self.mask
        return self.head((score.softmax(-1) @ self.v(x)[:, :, None])[:, :, 0].relu())


class Registers(nn.Module):
    """Learned tokens before the others, dropped at the end; nothing depends on the length."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(3, width), nn.LayerNorm(width)
        self.registers = nn.Parameter(torch.randn(3, width))
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.cat([self.registers.expand(len(x), -1, -1), self.stem(x)], 1)
        tokens = self.norm(tokens)
        tokens = tokens + self.mix(tokens, tokens, tokens)[0]
        return self.head(tokens[:, 3:].mean(1))


class CoordinateBias(nn.Module):
    """A small net reads a stored table of coordinates; its answers are added to the scores."""

    def __init__(self, side: int = 4, width: int = 6) -> None:
        super().__init__()
        self.qkv, self.head = nn.Linear(width, 3 * width), nn.Linear(width, 2)
        self.net = nn.Sequential(nn.Linear(2, 7), nn.ReLU(), nn.Linear(7, 2, bias=False))
        table = torch.randn(2 * side - 1, 2)
        self.register_buffer("table", table)
        place = torch.arange(side)
        self.register_buffer("index", place[:, None] - place + side - 1)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 3)).permute(2, 0, 3, 1, 4)
        bias = self.net(self.table)[self.index].permute(2, 0, 1)
        score = (q @ k.transpose(-1, -2) + bias).softmax(-1)
        return self.head((score @ v).transpose(1, 2).flatten(2).mean(1))


class StoredFrequencies(nn.Module):
    """Rotary tables computed from a stored frequency: one number, another function a place."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(3, width), nn.Linear(3, width)
        self.register_buffer("scale", torch.tensor([0.7]))

    def forward(self, x: Tensor) -> Tensor:
        place = torch.linspace(-1.0, 1.0, x.shape[1])[:, None]
        angle = torch.cat([place * self.scale, place.flip(0) * self.scale], -1)
        angle = angle.repeat_interleave(2, -1)

        def turn(t: Tensor) -> Tensor:
            half = torch.stack([-t[..., 1::2], t[..., ::2]], -1).flatten(-2)
            return t * angle.cos() + half * angle.sin()

        return (turn(self.q(x)) @ turn(self.k(x)).transpose(-1, -2)).softmax(-1)


def _terms(count: int) -> Callable[[], nn.Module]:
    return lambda: OuterSums(count)


CASES: tuple[Case, ...] = (
    Case("outer-sums", simple(_terms(2), 3),
         classes={"left.0.weight": 3, "right.0.weight": 3, "left.0.bias": 1, "u": 1, "v": 1}),
    Case("outer-sums-of-three", simple(_terms(3), 3),
         classes={"left.2.weight": 3, "right.0.weight": 3, "u": 1, "v": 1}),
    Case("resolvent", simple(Resolvent, 3),
         classes={"stem.weight": 3, "a": 1, "c": 1, "head.weight": 2}),
    # A band may be read from either end.
    Case("band", simple(Band, 3), classes={"q.weight": 9, "v.bias": 3, "head.weight": 6}),
    Case("registers", simple(Registers, "s", 3), size=4, resized=7, classes={
        "stem.weight": 3, "registers": 3, "norm.weight": 1, "head.weight": 2}),
    Case("coordinate-bias", simple(CoordinateBias, 4, 6), classes={
        "table": 7, "net.0.weight": 1, "net.0.bias": 1, "net.2.weight": 1}),
    Case("stored-frequencies", simple(StoredFrequencies, 4, 3), classes={
        "q.weight": 12, "scale": 1}),
)  # fmt: skip

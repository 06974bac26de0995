"""Contractions: einsum in all forms, bilinear layers, mixing of tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple


class ResMlp(nn.Module):
    """ResMLP: affine instead of norm, one linear layer over tokens, layer scale."""

    def __init__(self, tokens: int, width: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.alpha, self.beta = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.tokens = nn.Linear(tokens, tokens)
        self.scale = nn.Parameter(0.1 * torch.ones(width))
        self.up, self.down = nn.Linear(width, 7), nn.Linear(7, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        mixed = self.tokens((x * self.alpha + self.beta).transpose(1, 2)).transpose(1, 2)
        x = x + self.scale * mixed
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x.mean(1))


class EinsumMixer(nn.Module):
    """Tokens and channels mixed by two einsums with raw parameters."""

    def __init__(self, tokens: int, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(7, 2)
        self.tokens = nn.Parameter(torch.randn(tokens, 6) * 0.4)
        self.channels = nn.Parameter(torch.randn(width, 7) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("btc,ts->bsc", torch.relu(self.stem(x)), self.tokens)
        x = torch.einsum("bsc,cd->bsd", torch.relu(x), self.channels)
        return self.head(torch.relu(x).sum(1))


class LowRankBilinear(nn.Module):
    """One einsum of five operands: two activations and three parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 5), nn.Linear(4, 6), nn.Linear(7, 2)
        self.a = nn.Parameter(torch.randn(8, 5) * 0.4)
        self.b = nn.Parameter(torch.randn(8, 6) * 0.4)
        self.c = nn.Parameter(torch.randn(8, 7) * 0.4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = torch.tanh(self.left(x)), torch.relu(self.right(y))
        both = torch.einsum("bi,ri,rj,bj,ro->bo", x, self.a, self.b, y, self.c)
        return self.head(torch.relu(both))


class Diagonal(nn.Module):
    """Repeated indices: only the diagonal of the matrix is read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(5, 2)
        self.weight = nn.Parameter(torch.randn(5, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.einsum("bi,ii->bi", torch.tanh(self.stem(x)), self.weight))


class Trace(nn.Module):
    """The trace of a product of activations, and its diagonal."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 5), nn.Linear(3, 5)
        self.mix, self.head = nn.Parameter(torch.randn(5, 5) * 0.4), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        square = torch.einsum("bi,bj->bij", self.left(x).tanh(), self.right(x).relu())
        square = square @ self.mix
        return torch.einsum("bii->b", square), self.head(torch.einsum("bii->bi", square))


class Ellipsis(nn.Module):
    """Leading axes behind an ellipsis; heads are an axis of the parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(6, 2)
        self.split = nn.Parameter(torch.randn(5, 2, 4) * 0.4)
        self.join = nn.Parameter(torch.randn(2, 4, 6) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("...i,ihd->...hd", torch.relu(self.stem(x)), self.split)
        x = torch.einsum("...hd,hdo->...o", F.normalize(x, dim=-1), self.join)
        return self.head(torch.relu(x))


class GroupedLinear(nn.Module):
    """A batched matrix for each group of features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 6), nn.Linear(15, 2)
        self.weight = nn.Parameter(torch.randn(3, 2, 5) * 0.4)
        self.bias = nn.Parameter(torch.randn(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x)).unflatten(-1, (3, 2))
        x = torch.einsum("bgi,gio->bgo", x, self.weight) + self.bias
        return self.head(torch.relu(x).flatten(1))


class Ensemble(nn.Module):
    """`torch.baddbmm` of stacked members, their outputs averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.randn(3, 4, 6) * 0.4)
        self.up_bias = nn.Parameter(torch.randn(3, 1, 6))
        self.down = nn.Parameter(torch.randn(3, 6, 2) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(0).expand(3, -1, -1)
        return torch.bmm(torch.baddbmm(self.up_bias, x, self.up).relu(), self.down).mean(0)


class Tucker(nn.Module):
    """Weights times weights: a three-way weight from a core and a matrix for each mode."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 5), nn.Linear(4, 6), nn.Linear(7, 2)
        self.core = nn.Parameter(torch.randn(2, 3, 4))
        self.u = nn.Parameter(torch.randn(5, 2))
        self.v = nn.Parameter(torch.randn(6, 3))
        self.w = nn.Parameter(torch.randn(7, 4))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        weight = torch.einsum("abc,ia,jb,kc->ijk", self.core, self.u, self.v, self.w)
        x, y = torch.tanh(self.left(x)), torch.relu(self.right(y))
        return self.head(torch.tanh(torch.einsum("bi,bj,ijk->bk", x, y, weight)))


class WeightProduct(nn.Module):
    """A weight that is the product of three, without anything between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(6, 2)
        self.a, self.b = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(4, 3))
        self.c = nn.Parameter(torch.randn(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.linalg.multi_dot([self.a, self.b, self.c])
        return self.head(torch.relu(F.linear(torch.relu(self.stem(x)), weight)))


class TensorTrain(nn.Module):
    """A linear layer as a train of two cores over a factorised width."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 4, 5) * 0.4)
        self.second = nn.Parameter(torch.randn(5, 3, 2) * 0.4)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.einsum("ipr,rjq->ijpq", self.first, self.second).reshape(6, 8)
        return self.head(torch.relu(x @ weight))


class Score(nn.Module):
    """A bilinear score between two hidden vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 5), nn.Linear(4, 6)
        self.weight = nn.Parameter(torch.randn(5, 6) * 0.4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = torch.tanh(self.left(x)), torch.relu(self.right(y))
        return ((x @ self.weight) * y).sum(-1)


class SelfBilinear(nn.Module):
    """`nn.Bilinear` of a hidden vector with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.both, self.head = nn.Linear(3, 5), nn.Bilinear(5, 5, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x))
        return self.head(torch.relu(self.both(x, x)))


class FactorizationMachine(nn.Module):
    """Second-order terms by the square of a sum minus the sum of squares."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.factors = nn.Linear(5, 1), nn.Parameter(torch.randn(5, 3))

    def forward(self, x: Tensor) -> Tensor:
        square = (x @ self.factors).pow(2) - x.pow(2) @ self.factors.pow(2)
        return self.linear(x) + 0.5 * square.sum(-1, keepdim=True)


class NeuralTensor(nn.Module):
    """A neural tensor layer: a bilinear slice and a linear part for each unit."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.linear = nn.Linear(3, 5), nn.Linear(10, 4)
        self.slices, self.head = nn.Parameter(torch.randn(4, 5, 5) * 0.4), nn.Linear(4, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self.embed(x).tanh(), self.embed(y).tanh()
        both = torch.einsum("bi,kij,bj->bk", x, self.slices, y)
        return self.head(torch.tanh(both + self.linear(torch.cat([x, y], -1))))


def _pair(make: Callable[[], nn.Module], *widths: int) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(), tuple(torch.randn(batch, w) for w in widths), {})


def _sized(make: Callable[[int], nn.Module]) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(size), (torch.randn(batch, size, 3),), {})


CASES: tuple[Case, ...] = (
    Case("res-mlp", _sized(ResMlp), size=4, classes={
        "stem.weight": 3, "alpha": 1, "beta": 1, "scale": 1, "tokens.weight": 16,
        "tokens.bias": 4, "up.weight": 1}),
    Case("einsum-mixer", _sized(EinsumMixer), size=4,
         classes={"stem.weight": 3, "tokens": 4, "channels": 1, "head.weight": 2}),
    Case("einsum-five-operands", _pair(LowRankBilinear, 3, 4),
         classes={"left.weight": 3, "a": 1, "b": 1, "c": 1, "head.weight": 2}),
    Case("einsum-diagonal", simple(Diagonal, 3), classes={"stem.weight": 3, "weight": 1}),
    Case("einsum-trace", simple(Trace, 3), classes={"left.weight": 3, "right.weight": 3}),
    Case("einsum-ellipsis", simple(Ellipsis, "s", 3), size=4, resized=5,
         classes={"split": 1, "join": 1, "head.weight": 2}),
    Case("einsum-groups", simple(GroupedLinear, 4),
         classes={"stem.weight": 4, "weight": 1, "bias": 1, "head.weight": 2}),
    Case("bmm-ensemble", simple(Ensemble, 4), classes={"up": 4, "up_bias": 1, "down": 2}),
    Case("einsum-tucker", _pair(Tucker, 3, 4),
         classes={"core": 1, "u": 1, "v": 1, "w": 1, "left.weight": 3}),
    Case("weight-product", simple(WeightProduct, 3), classes={"a": 1, "b": 1, "c": 1}),
    Case("tensor-train", simple(TensorTrain, 6),
         classes={"first": 2, "second": 3, "head.weight": 3}),
    Case("bilinear-score", _pair(Score, 3, 4),
         classes={"left.weight": 3, "right.weight": 4, "weight": 1}),
    Case("bilinear-self", simple(SelfBilinear, 3),
         classes={"stem.weight": 3, "both.weight": 1, "both.bias": 1, "head.weight": 2}),
    Case("factorization-machine", simple(FactorizationMachine, 5),
         classes={"linear.weight": 5, "factors": 5}),
    Case("neural-tensor", _pair(NeuralTensor, 3, 3), classes={
        "embed.weight": 3, "slices": 1, "linear.weight": 2, "linear.bias": 1, "head.weight": 1}),
)  # fmt: skip

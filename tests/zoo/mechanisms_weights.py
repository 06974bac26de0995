"""Weights that are computed before they are used: every parametrization of torch, and some own."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from tests.zoo.case import Case, simple
from tests.zoo.dense import mlp


class StandardisedConv(nn.Conv2d):
    """Weight standardisation: zero mean and unit variance for each filter."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        weight = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
        std = weight.view(weight.size(0), -1).std(dim=1).view(-1, 1, 1, 1) + 1e-5
        return F.conv2d(x, weight / std, self.bias, self.stride, self.padding)


class ScaledStandardConv(nn.Conv2d):
    """NFNet: standardised by batch norm of the flattened weight, with a gain for each filter."""

    def __init__(self, inner: int, outer: int, kernel: int) -> None:
        super().__init__(inner, outer, kernel)
        self.gain = nn.Parameter(torch.ones(outer, 1, 1, 1))
        self.scale = (inner * kernel * kernel) ** -0.5

    def forward(self, x: Tensor) -> Tensor:
        weight = F.batch_norm(
            self.weight.reshape(1, self.out_channels, -1), None, None,
            weight=(self.gain * self.scale).view(-1), training=True, momentum=0.0, eps=1e-6,
        ).reshape_as(self.weight)  # fmt: skip
        return F.conv2d(x, weight, self.bias)


class Symmetric(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.triu() + x.triu(1).transpose(-1, -2)


class SymmetricMean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * (x + x.transpose(-1, -2))


class Skew(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x.triu(1)
        return x - x.transpose(-1, -2)


class SkewDifference(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mT


class Positive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x)


class RowStochastic(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(-1)


class Gram(nn.Module):
    """Positive semidefinite: a matrix times its transpose, plus a multiple of the identity."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ x.mT + 0.1 * torch.eye(x.shape[-1])


class LowRank(nn.Module):
    """The weight plus a thin product of this module's own parameters."""

    def __init__(self, inner: int, outer: int, rank: int = 2) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(outer, rank) * 0.4)
        self.b = nn.Parameter(torch.randn(rank, inner) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.a @ self.b


class MatrixExponential(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.matrix_exp(x)


class CayleyMap(nn.Module):
    """(I + A)(I - A)^-1 of a skew matrix, as in the manual of torch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("eye", torch.eye(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.solve(self.eye + x, self.eye - x)


class Centred(nn.Module):
    """Rows without their mean, divided by their length."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x - x.mean(1, keepdim=True), dim=1)


class Quantised(nn.Module):
    """Rounded weights with a straight-through gradient and a scale for each row."""

    def forward(self, x: Tensor) -> Tensor:
        scale = x.abs().amax(1, keepdim=True).clamp(min=1e-4) / 7
        return x + ((x / scale).round() * scale - x).detach()


class Binary(nn.Module):
    """Signs times the mean absolute value of the row."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sign() * x.abs().mean(1, keepdim=True)


def _own(*maps: Callable[[], nn.Module], layer: int = 2) -> Callable[[], nn.Module]:
    """An MLP with parametrizations registered, one after the other, on a square hidden layer."""

    def make() -> nn.Module:
        model = mlp(3, 5, 5, 2)
        for build in maps:
            parametrize.register_parametrization(model[layer], "weight", build())
        return model

    return make


def _orthogonal(kind: str, *widths: int, base: bool = True) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = mlp(*widths)
        parametrizations.orthogonal(model[2], orthogonal_map=kind, use_trivialization=base)
        return model

    return make


def _norm(function: Callable[..., nn.Module], **options: object) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = mlp(3, 5, 6, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function(model[2], **options)
        return model

    return make


def _conv(layer: Callable[[int, int, int], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), layer(4, 5, 3), nn.ReLU(),
                                 nn.Conv2d(5, 2, 1))  # fmt: skip


def _spectral_conv(inner: int, outer: int, kernel: int) -> nn.Module:
    return parametrizations.spectral_norm(nn.Conv2d(inner, outer, kernel))


def _weight_conv(inner: int, outer: int, kernel: int) -> nn.Module:
    return parametrizations.weight_norm(nn.ConvTranspose2d(inner, outer, kernel), dim=1)


def _lstm_weight_norm() -> nn.Module:
    layer = nn.LSTM(3, 5, batch_first=True)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        parametrizations.weight_norm(layer, name)
    return layer


class Recurrent(nn.Module):
    """An LSTM with weight norm on both matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = _lstm_weight_norm(), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


_SLOT = "2.parametrizations.weight.original"
_G, _V = f"{_SLOT}0", f"{_SLOT}1"
_ENDS = {"0.weight": 3, "0.bias": 1, "4.weight": 2}
# A triangle of the stored matrix is read: its rows and columns have their places. The rows of
# the base, which the result is multiplied with, have none.
_ROWS = {_SLOT: 25, f"{_SLOT[:-9]}.0.base": 5, "0.weight": 15, "2.bias": 1, "4.weight": 2}
_IMAGE = (2, "s", "s")
_IMAGE_CLASSES = {"0.weight": 2, "4.weight": 2}


def _square(name: str, *maps: Callable[[], nn.Module], **classes: int) -> Case:
    known = _ENDS | {_SLOT: 1} | classes
    return Case(f"parametrized-{name}", simple(_own(*maps), 3), classes=known)


CASES: tuple[Case, ...] = (
    Case("weight-standardised", simple(_conv(StandardisedConv), *_IMAGE), size=4, resized=5,
         classes=_IMAGE_CLASSES | {"2.weight": 9, "2.bias": 1}),
    Case("weight-standardised-scaled", simple(_conv(ScaledStandardConv), *_IMAGE), size=4,
         resized=5, classes=_IMAGE_CLASSES | {"2.weight": 9, "2.gain": 1}),
    Case("weight-norm-dim-1", simple(_norm(parametrizations.weight_norm, dim=1), 3),
         classes=_ENDS | {_G: 1, _V: 1}),
    Case("weight-norm-whole", simple(_norm(parametrizations.weight_norm, dim=None), 3),
         classes=_ENDS | {_G: 1, _V: 1}),
    Case("weight-norm-hook", simple(_norm(nn.utils.weight_norm), 3),
         classes=_ENDS | {"2.weight_g": 1, "2.weight_v": 1}),
    Case("weight-norm-transposed", simple(_conv(_weight_conv), *_IMAGE), size=4, resized=5,
         classes=_IMAGE_CLASSES | {_G: 1, _V: 9}),
    Case("weight-norm-lstm", simple(Recurrent, "s", 3), size=4, resized=5, classes={
        "layer.parametrizations.weight_ih_l0.original1": 12,
        "layer.parametrizations.weight_hh_l0.original0": 4}),
    Case("spectral-norm-conv", simple(_conv(_spectral_conv), *_IMAGE), size=4, resized=5,
         classes=_IMAGE_CLASSES | {_SLOT: 9}),
    Case("spectral-norm-hook", simple(_norm(nn.utils.spectral_norm), 3),
         classes=_ENDS | {"2.weight_orig": 1}),
    Case("orthogonal-exponential", simple(_orthogonal("matrix_exp", 3, 5, 5, 2), 3), classes=_ROWS),
    Case("orthogonal-cayley", simple(_orthogonal("cayley", 3, 5, 5, 2), 3), classes=_ROWS),
    Case("orthogonal-householder", simple(_orthogonal("householder", 3, 5, 5, 2), 3),
         classes=_ROWS),
    Case("orthogonal-no-base", simple(_orthogonal("matrix_exp", 3, 5, 5, 2, base=False), 3),
         classes={_SLOT: 25, "4.weight": 10}),
    Case("orthogonal-wide", simple(_orthogonal("householder", 3, 4, 6, 2, base=False), 3)),
    Case("orthogonal-tall", simple(_orthogonal("cayley", 3, 6, 4, 2, base=False), 3)),
    Case("parametrized-symmetric", simple(_own(Symmetric), 3), classes=_ENDS),
    _square("symmetric-mean", SymmetricMean),
    # Exchanging two units would flip the sign of the stored element between them.
    _square("skew", Skew, **{"0.weight": 15, "0.bias": 5, "4.weight": 10, _SLOT: 15}),
    _square("skew-difference", SkewDifference),
    _square("positive", Positive),
    _square("softmax", RowStochastic),
    _square("gram", Gram),
    _square("low-rank", lambda: LowRank(5, 5), **{"2.parametrizations.weight.0.a": 1}),
    _square("exponential", SkewDifference, MatrixExponential),
    _square("exponential-plain", MatrixExponential),
    _square("cayley", SkewDifference, lambda: CayleyMap(5)),
    _square("centred", Centred),
    _square("quantised", Quantised),
    _square("binary", Binary),
)  # fmt: skip

"""Parameters that are shared, tied, masked, reparametrised, frozen, unused or of other dtypes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests.zoo.case import Case, Sample, simple
from tests.zoo.dense import mlp


class Siamese(nn.Module):
    """One tower for two inputs; the head reads the absolute difference."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.head = mlp(5, 8, 6), nn.Linear(6, 1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.head((self.tower(a) - self.tower(b)).abs())


class SiameseCat(nn.Module):
    """One tower for two inputs; the head reads both, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.head = mlp(5, 8, 6), mlp(12, 7, 2)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.head(torch.cat([self.tower(a), self.tower(b)], -1))


class Twice(nn.Module):
    """A layer applied twice in a row: its inputs and outputs are the same neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared, self.head = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head(torch.tanh(self.shared(torch.relu(self.shared(x)))))


class TiedAutoencoder(nn.Module):
    """The decoder is the transposed encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 10) * 0.3)
        self.inner, self.outer = nn.Parameter(torch.zeros(6)), nn.Parameter(torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        code = torch.sigmoid(F.linear(x, self.weight, self.inner))
        return F.linear(code, self.weight.t(), self.outer)


class Vae(nn.Module):
    """A variational autoencoder; in evaluation the code is the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.mean, self.spread = mlp(8, 10), nn.Linear(10, 4), nn.Linear(10, 4)
        self.decoder = mlp(4, 10, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = torch.relu(self.encoder(x))
        mean, spread = self.mean(h), self.spread(h)
        code = mean + torch.randn_like(mean) * (0.5 * spread).exp() if self.training else mean
        return self.decoder(code), mean, spread


class Lora(nn.Module):
    """A frozen linear layer plus a product of two thin matrices, added as activations."""

    def __init__(self, base: nn.Linear, rank: int = 3, alpha: float = 6.0) -> None:
        super().__init__()
        self.base, self.scale = base.requires_grad_(False), alpha / rank
        self.a = nn.Parameter(torch.randn(base.in_features, rank) * 0.3)
        self.b = nn.Parameter(torch.randn(rank, base.out_features) * 0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * (x @ self.a @ self.b)


class LoraMerged(nn.Module):
    """The same, with the thin matrices multiplied into the weight first."""

    def __init__(self, base: nn.Linear, rank: int = 3) -> None:
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.randn(rank, base.in_features) * 0.3)
        self.b = nn.Parameter(torch.randn(base.out_features, rank) * 0.3)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.base.weight + 2.0 * (self.b @ self.a), self.base.bias)


class Masked(nn.Module):
    """A linear layer whose weight is multiplied by a fixed 0/1 mask that is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 8), nn.Linear(8, 3)
        self.register_buffer("mask", (torch.rand(8, 5) > 0.4).float())

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(F.linear(x, self.first.weight * self.mask, self.first.bias)))


class Leftovers(nn.Module):
    """Unused parameters, a frozen layer, and a row of a parameter that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6).requires_grad_(False)
        self.head, self.aux = nn.Linear(6, 2), nn.Linear(6, 5)
        self.token = nn.Parameter(torch.zeros(3))
        self.rows = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.stem(x)) + self.rows[:2].sum(0))


class ComplexLayer(nn.Module):
    """A complex weight between two real layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 6), nn.Linear(5, 2)
        self.weight = nn.Parameter(torch.randn(5, 6, dtype=torch.complex64) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.stem(x)).to(torch.complex64)
        return self.head((hidden @ self.weight.transpose(0, 1)).abs())


class OwnParameters(nn.Module):
    """Raw parameters outside layers: scale, shift, layer scale on a residual branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.head = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.gain, self.shift = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))
        self.layer_scale = nn.Parameter(0.1 * torch.ones(8))
        self.temperature = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x)) * self.gain + self.shift
        x = x + self.layer_scale * torch.relu(self.branch(x))
        return self.head(x) / self.temperature


class Hyper(nn.Module):
    """A hypernetwork: one net makes the weights of a layer from a condition."""

    def __init__(self) -> None:
        super().__init__()
        self.make, self.stem, self.head = mlp(3, 6, 4 * 5), nn.Linear(4, 4), nn.Linear(5, 2)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        weight = self.make(c).unflatten(-1, (5, 4))
        hidden = torch.einsum("bi,boi->bo", torch.relu(self.stem(x)), weight)
        return self.head(torch.relu(hidden))


class WriteInPlace(nn.Module):
    """Activations written into slices of a buffer: the data flow runs through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 5), nn.Linear(4, 3), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x.new_zeros(x.shape[0], 8)
        hidden[:, :5] = self.left(x)
        hidden[:, 5:] = self.right(x)
        return self.head(hidden.relu_())


class Permuted(nn.Module):
    """Hidden units in an order that a buffer fixes, then rolled, flipped and interleaved.

    A stored buffer is a value, which the structure must not depend on; another one is part of the
    architecture.
    """

    def __init__(self, stored: bool) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.register_buffer("order", torch.tensor([5, 2, 7, 0, 1, 6, 3, 4]), persistent=stored)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))[:, self.order].roll(3, 1)
        x = torch.relu(self.second(x)).flip(1).unflatten(1, (4, 2)).transpose(1, 2).flatten(1)
        return self.last(x)


class Empty(nn.Module):
    """A parameter without elements, and a layer that adds no features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.none, self.head = (
            nn.Linear(4, 6),
            nn.Parameter(torch.zeros(0, 4)),
            mlp(6, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([torch.relu(self.stem(x)), x @ self.none.t()], -1))


def _two(make: Callable[[], nn.Module], *widths: int) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(), tuple(torch.randn(batch, w) for w in widths), {})


def _weight_norm() -> nn.Module:
    model = mlp(4, 8, 8, 3)
    parametrizations.weight_norm(model[0])
    parametrizations.weight_norm(model[2])
    return model


def _weight_norm_conv() -> nn.Module:
    conv = parametrizations.weight_norm(nn.Conv1d(3, 6, 3, padding=1))
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 2))


def _spectral_norm() -> nn.Module:
    model = mlp(4, 8, 8, 3)
    parametrizations.spectral_norm(model[2])
    return model


def _lora(wrap: Callable[[nn.Linear], nn.Module]) -> nn.Module:
    return nn.Sequential(wrap(nn.Linear(5, 8)), nn.ReLU(), wrap(nn.Linear(8, 8)), nn.ReLU(),
                         nn.Linear(8, 2))  # fmt: skip


CASES: tuple[Case, ...] = (
    Case("siamese", _two(Siamese, 5, 5), classes={"tower.0.weight": 5, "tower.2.weight": 1}),
    Case("siamese-cat", _two(SiameseCat, 5, 5), classes={"tower.2.weight": 1, "head.0.weight": 2}),
    Case("layer-twice", simple(Twice, 4), classes={"stem.weight": 4, "head.weight": 2}),
    Case("tied-autoencoder", simple(TiedAutoencoder, 10), parameters=76,
         classes={"weight": 10, "inner": 1, "outer": 10}),
    Case("autoencoder", simple(lambda: mlp(10, 8, 4, 8, 10), 10),
         classes={"0.weight": 10, "2.weight": 1, "6.weight": 10}),
    Case("vae", simple(Vae, 8), classes={"encoder.0.weight": 8, "decoder.0.weight": 4}),
    Case("lora", simple(lambda: _lora(Lora), 5), classes={"0.a": 5, "0.b": 1, "2.a": 1, "2.b": 1}),
    Case("lora-merged", simple(lambda: _lora(LoraMerged), 5),
         classes={"0.a": 5, "0.b": 1, "2.a": 1, "2.b": 1}),
    Case("weight-norm", simple(_weight_norm, 4), classes={
        "0.parametrizations.weight.original0": 1, "0.parametrizations.weight.original1": 4,
        "2.parametrizations.weight.original1": 1}),
    Case("weight-norm-conv", simple(_weight_norm_conv, 3, "s"), resized=11),
    Case("spectral-norm", simple(_spectral_norm, 4), classes={
        "2.parametrizations.weight.original": 1, "0.weight": 4}),
    Case("masked-weight", simple(Masked, 5), parameters=40 + 40 + 8 + 24 + 3),
    Case("leftovers", simple(Leftovers, 4), parameters=30 + 14 + 35 + 3 + 24),
    Case("complex", simple(ComplexLayer, 4), classes={"stem.weight": 4, "weight": 1}),
    Case("bfloat16", simple(lambda: mlp(4, 8, 3).bfloat16(), 4, dtype=torch.bfloat16),
         classes={"0.weight": 4}),
    Case("half", simple(lambda: mlp(4, 8, 3).half(), 4, dtype=torch.half),
         classes={"0.weight": 4}),
    Case("own-parameters", simple(OwnParameters, 4),
         classes={"gain": 1, "shift": 1, "layer_scale": 1, "temperature": 1}),
    Case("zero-size", simple(Empty, 4), parameters=30 + 14, classes={"stem.weight": 4}),
    Case("hypernetwork", _two(Hyper, 4, 3), classes={"head.weight": 2}),
    Case("write-in-place", simple(WriteInPlace, 4)),
    Case("permuted", simple(lambda: Permuted(stored=False), 4),
         classes={"first.weight": 4, "second.weight": 1}),
    Case("permuted-by-buffer", simple(lambda: Permuted(stored=True), 4)),
)  # fmt: skip

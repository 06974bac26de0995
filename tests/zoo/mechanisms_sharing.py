"""Shared modules and tied parameters in every combination; frozen and unused ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple
from tests.zoo.dense import mlp


class SharedBlocks(nn.Module):
    """ALBERT: one residual block, registered in a list three times, between own layers."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        block = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 7), nn.GELU(),
                              nn.Linear(7, width))  # fmt: skip
        self.blocks = nn.ModuleList([block] * 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class TwoNames(nn.Module):
    """Two layers of one weight and own biases."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(5, 2)
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(torch.relu(self.stem(x))))
        return self.head(torch.tanh(self.second(x)))


class Parallel(nn.Module):
    """A weight tied between two parallel branches with different activations."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 5), nn.Linear(3, 5), nn.Linear(5, 2)
        self.right.weight = self.left.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.left(x)) + torch.tanh(self.right(x)))


class TransposedStack(nn.Module):
    """An autoencoder of two layers; the decoder uses both weights transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 4)
        self.bias = nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        code = torch.relu(self.second(torch.relu(self.first(x))))
        return F.linear(torch.relu(F.linear(code, self.second.weight.t(), self.bias)),
                        self.first.weight.t())  # fmt: skip


class OwnTranspose(nn.Module):
    """One square matrix, used as it is and transposed, on the same units."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(5, 2)
        self.weight = nn.Parameter(torch.randn(5, 5) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x) @ self.weight)
        return self.head(torch.relu(x @ self.weight.T))


class Sliced(nn.Module):
    """Two layers that read overlapping rows of one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(7, 3) * 0.4)
        self.left, self.right = nn.Linear(4, 2), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        one = torch.relu(F.linear(x, self.weight[:4]))
        two = torch.tanh(F.linear(x, self.weight[2:]))
        return self.left(one) + self.right(two)


class Slimmable(nn.Module):
    """A narrow and a wide network: the narrow one is the corner of the wide one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 6), nn.Linear(6, 2)

    def at(self, x: Tensor, width: int) -> Tensor:
        x = torch.relu(F.linear(x, self.first.weight[:width], self.first.bias[:width]))
        return F.linear(x, self.second.weight[:, :width], self.second.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.at(x, 4), self.at(x, 6)


class TiedScaled(nn.Module):
    """T5: an embedding scaled on the way in and used again, scaled, as output matrix."""

    def __init__(self, words: int = 7, width: int = 4, *, separate: bool = False) -> None:
        super().__init__()
        self.scale = width**0.5
        self.embed = nn.Embedding(words, width)
        self.middle = nn.Linear(width, width)
        self.project = nn.Linear(width, width) if separate else nn.Identity()
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) * self.scale
        x = x + torch.relu(self.middle(x))
        return self.head(self.project(x) / self.scale)


class ThreeWay(nn.Module):
    """One embedding for source, target and output, as in the original transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(7, 4)
        self.target, self.out = nn.Embedding(7, 4), nn.Linear(4, 7)
        self.target.weight = self.out.weight = self.source.weight
        self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        context = torch.tanh(self.left(self.source(a))).mean(1, keepdim=True)
        return self.out(torch.relu(self.right(self.target(b)) + context))


class Factorised(nn.Module):
    """ALBERT's thin embedding with its projection transposed before the tied output."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.widen = nn.Embedding(7, 3), nn.Linear(3, 5, bias=False)
        self.middle = nn.Linear(5, 5)

    def forward(self, ids: Tensor) -> Tensor:
        x = torch.relu(self.middle(self.widen(self.embed(ids))))
        return F.linear(F.linear(x, self.widen.weight.t()), self.embed.weight)


class TiedKernel(nn.Module):
    """A convolution and its transpose with one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 2, 3) * 0.4)
        self.middle = nn.Conv1d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.middle(torch.relu(F.conv1d(x, self.kernel, stride=2))))
        return F.conv_transpose1d(x, self.kernel, stride=2)


class TiedNorms(nn.Module):
    """One norm and one bias in several places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        self.norm = nn.LayerNorm(5)
        self.first.bias = self.stem.bias

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        return self.second(torch.tanh(self.norm(self.first(x))))


class TiedQk(nn.Module):
    """Reformer: queries and keys come from one matrix; the keys are normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 5), nn.Linear(8, 2)
        self.qk, self.v = nn.Linear(5, 8, bias=False), nn.Linear(5, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, v = (part(x).unflatten(-1, (2, 4)).transpose(1, 2) for part in (self.qk, self.v))
        score = q @ F.normalize(q, dim=-1).mT
        return self.head((score.softmax(-1) @ v).transpose(1, 2).flatten(2))


class GroupGate(nn.Module):
    """A number for each group of units, expanded, is added to the units and then scales them."""

    def __init__(self, *, expand: bool) -> None:
        super().__init__()
        self.stem, self.head, self.expand = nn.Linear(3, 6), nn.Linear(6, 2), expand
        self.gate = nn.Parameter(torch.randn(2, 1))

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.stem(x).unflatten(-1, (2, 3)), torch.sigmoid(self.gate)
        shift = gate.expand(2, 3) if self.expand else gate * torch.full((2, 3), 0.5)
        return self.head(torch.tanh((x + shift) * gate).flatten(1))


class Pyramid(nn.Module):
    """One head on feature maps of two sizes; one linear layer on vectors and on sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.down = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, 2, 1)
        self.shared, self.linear = nn.Conv2d(4, 5, 3, padding=1), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = torch.relu(self.first(x))
        coarse = torch.relu(self.down(fine))
        fine, coarse = torch.relu(self.shared(fine)), torch.relu(self.shared(coarse))
        return self.linear(fine.flatten(2).mT), self.linear(coarse.mean((2, 3)))


class AnyLength(nn.Module):
    """A recurrent layer called on sequences of two lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1] - self.layer(x[:, ::2])[0][:, -1])


class Frozen(nn.Module):
    """A frozen backbone, a detached branch, a module that nothing calls, a masked-out sum."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = mlp(3, 5, 4).requires_grad_(False)
        self.probe, self.head = nn.Linear(4, 6), nn.Linear(6, 2)
        self.teacher = mlp(3, 4)
        self.unused = nn.ModuleDict({"aux": nn.Linear(4, 3)})

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            features = torch.relu(self.backbone(x))
        target = self.teacher(x).detach()
        return self.head(torch.relu(self.probe(features - target)))


def _ids(make: Callable[[], nn.Module], count: int = 1) -> Callable[[int, int], Sample]:
    return lambda b, s: (make(), tuple(torch.randint(0, 7, (b, s)) for _ in range(count)), {})


_GATE = {"stem.weight": 3, "stem.bias": 1, "gate": 1, "head.weight": 2}

CASES: tuple[Case, ...] = (
    Case("shared-blocks", simple(SharedBlocks, 3), classes={
        "stem.weight": 3, "blocks.0.0.weight": 1, "blocks.0.1.weight": 1, "head.weight": 2}),
    Case("tied-two-names", simple(TwoNames, 3), classes={
        "stem.weight": 3, "first.weight": 1, "second.bias": 1, "head.weight": 2}),
    Case("tied-parallel", simple(Parallel, 3),
         classes={"left.weight": 3, "left.bias": 1, "right.bias": 1, "head.weight": 2}),
    Case("tied-transposed-stack", simple(TransposedStack, 6), parameters=64,
         classes={"first.weight": 6, "second.weight": 1, "bias": 1}),
    Case("tied-own-transpose", simple(OwnTranspose, 3),
         classes={"stem.weight": 3, "weight": 1, "head.weight": 2}),
    Case("tied-slices", simple(Sliced, 3),
         classes={"weight": 9, "left.weight": 4, "right.weight": 4}),
    Case("slimmable", simple(Slimmable, 3), classes={"first.weight": 6, "second.weight": 4}),
    Case("tied-embedding-scaled", _ids(TiedScaled), size=3, resized=4,
         classes={"embed.weight": 7, "middle.weight": 1}),
    Case("tied-embedding-projected", _ids(lambda: TiedScaled(separate=True)), size=3, resized=4,
         classes={"embed.weight": 7, "middle.weight": 1, "project.weight": 1}),
    Case("tied-three-way", _ids(ThreeWay, 2), size=3, resized=4,
         classes={"source.weight": 7, "left.weight": 1, "right.weight": 1, "out.bias": 7}),
    Case("tied-factorised", _ids(Factorised), size=3, resized=4,
         classes={"embed.weight": 7, "widen.weight": 1, "middle.weight": 1}),
    Case("tied-kernel", simple(TiedKernel, 2, "s"), size=7, resized=9,
         classes={"kernel": 6, "middle.weight": 1}),
    Case("tied-norms", simple(TiedNorms, 3),
         classes={"stem.weight": 3, "stem.bias": 1, "norm.weight": 1, "first.weight": 1}),
    Case("tied-queries-keys", simple(TiedQk, "s", 3), size=3, resized=4,
         classes={"stem.weight": 3, "qk.weight": 1, "v.weight": 1, "head.weight": 2}),
    Case("group-gate-expanded", simple(lambda: GroupGate(expand=True), 3), classes=_GATE),
    Case("group-gate-constant", simple(lambda: GroupGate(expand=False), 3), classes=_GATE),
    Case("shared-over-shapes", simple(Pyramid, 2, "s", "s"), size=4, resized=6, classes={
        "first.weight": 18, "down.weight": 9, "shared.weight": 9, "linear.weight": 2}),
    Case("shared-over-lengths", simple(AnyLength, "s", 3), size=4, resized=5,
         classes={"layer.weight_ih_l0": 9, "layer.weight_hh_l0": 3}),
    Case("frozen-and-unused", simple(Frozen, 3), parameters=44 + 30 + 14 + 16 + 15,
         classes={"backbone.0.weight": 3, "teacher.0.weight": 3, "probe.weight": 1}),
)  # fmt: skip

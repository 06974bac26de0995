"""The architectures of the paper's experiments, each written in more than one way."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cnn(hidden: int = 32, classes: int = 10) -> nn.Module:
    """Two convolutions and two linear layers."""

    def block(before: int) -> list[nn.Module]:
        return [
            nn.Conv2d(before, hidden, 3), nn.Dropout2d(0.1), nn.BatchNorm2d(hidden), nn.ReLU(),
        ]  # fmt: skip

    return nn.Sequential(
        *block(3), *block(hidden), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes),
    )  # fmt: skip


class FunctionalCNN(nn.Module):
    """The same network, with functions in place of modules."""

    def __init__(self, hidden: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, hidden, 3), nn.Conv2d(hidden, hidden, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(hidden) for _ in range(2))
        self.head, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip((self.first, self.second), self.norms, strict=True):
            x = F.gelu(norm(F.dropout2d(conv(x), 0.2, self.training)))
        return self.out(F.relu(self.head(x.mean((2, 3)))))


class BasicBlock(nn.Module):
    """Two convolutions without biases, and a shortcut."""

    def __init__(self, before: int, after: int, *, skip_first: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.skip_first = skip_first
        self.shortcut: nn.Module = nn.Identity()
        if before != after:
            conv = nn.Conv2d(before, after, 1, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        skip = self.shortcut(x)
        return F.relu(skip + y if self.skip_first else y + skip)


def resnet(hidden: int = 32, classes: int = 10, *, skip_first: bool = False) -> nn.Module:
    """A convolution, a block with a shortcut, a block without one."""
    return nn.Sequential(
        nn.Conv2d(3, hidden // 2, 5), nn.BatchNorm2d(hidden // 2), nn.ReLU(),
        BasicBlock(hidden // 2, hidden, skip_first=skip_first),
        BasicBlock(hidden, hidden, skip_first=skip_first),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(hidden, classes),
    )  # fmt: skip


def sinusoids(tokens: int, width: int) -> Tensor:
    """The code of each position, [tokens, width]."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(tokens)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


class SelfAttention(nn.Module):
    """Multi-head attention; `how` says in whose words."""

    def __init__(self, width: int, heads: int, how: str) -> None:
        super().__init__()
        self.heads, self.how = heads, how
        if how == "module":
            self.attention = nn.MultiheadAttention(width, heads, dropout=0.1, batch_first=True)
        elif how == "separate":
            self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        else:
            self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "module":
            return self.attention(x, x, x, need_weights=False)[0]
        parts = (self.q(x), self.k(x), self.v(x)) if self.how == "separate" else None
        batch, tokens, width = x.shape
        if self.how == "einsum":
            whole = self.into(x).view(batch, tokens, 3, self.heads, -1)
            q, k, v = whole.unbind(2)
            weights = torch.einsum("bihd,bjhd->bhij", q, k).div(4.0).softmax(-1)
            return self.out(torch.einsum("bhij,bjhd->bihd", weights, v).reshape(x.shape))
        if parts is None:
            parts = self.into(x).chunk(3, -1)
        q, k, v = (t.view(batch, tokens, self.heads, -1).transpose(1, 2) for t in parts)
        if self.how == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(width / self.heads)
            mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()
            scores = scores.masked_fill(~mask, float("-inf")) if self.how == "masked" else scores
            y = F.dropout(scores.softmax(-1), 0.1, self.training) @ v
        return self.out(y.transpose(1, 2).reshape(x.shape))


ATTENTIONS = ("by hand", "masked", "separate", "sdpa", "module", "einsum")


class ViT(nn.Module):
    """Patches, positions, two blocks that add to the normalised stream, the mean of the tokens."""

    def __init__(
        self, width: int = 64, layers: int = 2, heads: int = 2, how: str = "by hand",
        *, persistent: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.register_buffer("pe", sinusoids(4, width), persistent=persistent)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            block = nn.ModuleDict({
                "norm1": nn.LayerNorm(width),
                "attention": SelfAttention(width, heads, how),
                "norm2": nn.LayerNorm(width),
                "ffn": nn.Sequential(
                    nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.1),
                    nn.Linear(4 * width, width), nn.Dropout(0.1),
                ),
            })  # fmt: skip
            self.layers.append(block)
        self.out = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.pe
        for layer in self.layers:
            x = layer["norm1"](x)  # type: ignore[index]
            x = x + layer["attention"](x)  # type: ignore[index]
            x = layer["norm2"](x)  # type: ignore[index]
            x = x + layer["ffn"](x)  # type: ignore[index]
        return self.out(x.mean(1))


class EquivariantLinear(nn.Module):
    """x A + mean(x) B + b on sets [batch, points, width]."""

    def __init__(self, before: int, after: int, how: str) -> None:
        super().__init__()
        self.how = how
        if how == "layers":
            self.own, self.mean = nn.Linear(before, after), nn.Linear(before, after, bias=False)
        else:
            self.a = nn.Parameter(torch.randn(before, after) / before**0.5)
            self.b = nn.Parameter(torch.randn(before, after) / before**0.5)
            self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        if self.how == "layers":
            return self.own(x) + self.mean(mean)
        return x @ self.a + mean @ self.b + self.bias


class DeepSets(nn.Module):
    """Pixels as a set: a lift, two equivariant layers with norms, the mean, linear layers."""

    def __init__(self, hidden: int = 32, how: str = "layers", *, persistent: bool = False) -> None:
        super().__init__()
        self.lift = nn.Conv2d(3, hidden, 1)
        self.register_buffer("pe", sinusoids(64, hidden), persistent=persistent)
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(3))
        self.sets = nn.ModuleList(EquivariantLinear(hidden, hidden, how) for _ in range(2))
        self.head, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.lift(x).flatten(2).transpose(1, 2)) + self.pe
        x = F.dropout(x, 0.1, self.training)
        x = F.relu(self.norms[0](x.transpose(1, 2)).transpose(1, 2))
        for layer, norm in zip(self.sets, list(self.norms)[1:], strict=True):
            x = F.relu(norm(layer(x).transpose(1, 2)).transpose(1, 2))
        return self.out(F.relu(self.head(x.mean(1))))


Make = Callable[[], nn.Module]

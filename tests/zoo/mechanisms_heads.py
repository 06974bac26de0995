"""Attention with rotary embeddings, with position biases, across channels, between heads."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.attention import heads
from tests.zoo.case import Case, Sample, simple

HEADS = 2


class Attention(nn.Module):
    """Two heads of four units; subclasses turn queries and keys, or add to the scores."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.q, self.k, self.v = (nn.Linear(width, 8, bias=False) for _ in range(3))
        self.out = nn.Linear(8, width)

    def turn(self, x: Tensor) -> Tensor:
        return x

    def bias(self, score: Tensor) -> Tensor:
        return score

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = (heads(part(x), HEADS) for part in (self.q, self.k, self.v))
        score = self.bias(self.turn(q) @ self.turn(k).transpose(-2, -1) / math.sqrt(4))
        mixed = score.softmax(-1) @ v
        return self.head(x + self.out(mixed.transpose(1, 2).flatten(2)))


def angles(length: int, dim: int, device: torch.device) -> Tensor:
    """[length, dim // 2]: the angle of each pair of units at each position."""
    rate = 1.0 / 100 ** (torch.arange(0, dim, 2, device=device).float() / dim)
    return torch.outer(torch.arange(length, device=device).float(), rate)


def rotate_half(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


def half_split(x: Tensor) -> Tensor:
    """GPT-NeoX and Llama: unit i turns with unit i + d/2."""
    table = angles(x.shape[-2], x.shape[-1], x.device).repeat(1, 2)
    return x * table.cos() + rotate_half(x) * table.sin()


class RotaryHalf(Attention):
    def turn(self, x: Tensor) -> Tensor:
        return half_split(x)


class RotaryInterleaved(Attention):
    """GPT-J: neighbouring units turn together."""

    def turn(self, x: Tensor) -> Tensor:
        table = angles(x.shape[-2], x.shape[-1], x.device).repeat_interleave(2, dim=-1)
        turned = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
        return x * table.cos() + turned * table.sin()


class RotaryPartial(Attention):
    """The first two of four units turn, the others pass."""

    def turn(self, x: Tensor) -> Tensor:
        return torch.cat([half_split(x[..., :2]), x[..., 2:]], dim=-1)


class RotaryPolar(Attention):
    """Llama's original code: pairs as complex numbers times unit complex numbers."""

    def turn(self, x: Tensor) -> Tensor:
        table = angles(x.shape[-2], x.shape[-1], x.device)
        unit = torch.polar(torch.ones_like(table), table)
        pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * unit).flatten(-2).type_as(x)


class RotaryGrid(Attention):
    """2-D: half of the units turn with the row, the other half with the column."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def turn(self, x: Tensor) -> Tensor:
        table = angles(self.side, x.shape[-1] // 2, x.device)
        rows = table[:, None].expand(-1, self.side, -1)
        columns = table[None, :].expand(self.side, -1, -1)
        table = torch.cat([rows, columns], dim=-1).flatten(0, 1).repeat_interleave(2, dim=-1)
        turned = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
        return x * table.cos() + turned * table.sin()


class LearnedSlopes(Attention):
    """ALiBi with a learned slope for each head: heads may change places."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes = nn.Parameter(torch.rand(HEADS))

    def bias(self, score: Tensor) -> Tensor:
        time = torch.arange(score.shape[-1], device=score.device)
        distance = (time[None, :] - time[:, None]).abs()
        return score - self.slopes.view(-1, 1, 1) * distance


class Buckets(Attention):
    """T5: distances in logarithmic buckets index an embedding with a column for each head."""

    def __init__(self, buckets: int = 8, furthest: int = 16) -> None:
        super().__init__()
        self.table = nn.Embedding(buckets, HEADS)
        self.buckets, self.furthest = buckets // 2, furthest

    def bucket(self, relative: Tensor) -> Tensor:
        base = (relative > 0).long() * self.buckets
        distance = relative.abs()
        exact = self.buckets // 2
        scale = torch.log(distance.float() / exact) / math.log(self.furthest / exact)
        large = exact + (scale * (self.buckets - exact)).long()
        large = torch.min(large, torch.full_like(large, self.buckets - 1))
        return base + torch.where(distance < exact, distance, large)

    def bias(self, score: Tensor) -> Tensor:
        time = torch.arange(score.shape[-1], device=score.device)
        bucket = self.bucket(time[None, :] - time[:, None])
        return score + self.table(bucket).permute(2, 0, 1).unsqueeze(0)


class TokenTable(Attention):
    """BEiT: a table of offsets on a grid, with three more rows for the class token."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 3))
        offsets = (2 * side - 1) ** 2
        self.table = nn.Parameter(torch.randn(offsets + 3, HEADS))
        index = F.pad(grid_index(side), (1, 0, 1, 0))
        index[0, :], index[:, 0], index[0, 0] = offsets, offsets + 1, offsets + 2
        self.register_buffer("index", index, persistent=False)

    def bias(self, score: Tensor) -> Tensor:
        bias = self.table[self.index.view(-1)].view(*self.index.shape, HEADS)
        return score + bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return super().forward(x)[:, 0]


class Shaw(Attention):
    """Clipped relative positions: a learned vector for each distance, dotted with the query."""

    def __init__(self, furthest: int = 2) -> None:
        super().__init__()
        self.furthest = furthest
        self.table = nn.Parameter(torch.randn(2 * furthest + 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = (heads(part(x), HEADS) for part in (self.q, self.k, self.v))
        time = torch.arange(x.shape[1], device=x.device)
        index = (time[None, :] - time[:, None]).clamp(-self.furthest, self.furthest)
        relative = torch.einsum("bhqd,qkd->bhqk", q, self.table[index + self.furthest])
        score = (q @ k.mT + relative) / math.sqrt(4)
        mixed = score.softmax(-1) @ v
        return self.head(x + self.out(mixed.transpose(1, 2).flatten(2)))


class TalkingHeads(Attention):
    """A linear layer over the heads before and after the softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(HEADS, HEADS), nn.Linear(HEADS, HEADS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = (heads(part(x), HEADS) for part in (self.q, self.k, self.v))
        score = q @ k.transpose(-2, -1) / math.sqrt(4)
        score = self.before(score.permute(0, 2, 3, 1)).softmax(dim=-2)
        score = self.after(score).permute(0, 3, 1, 2)
        return self.head(x + self.out((score @ v).transpose(1, 2).flatten(2)))


class Xcit(nn.Module):
    """Cross-covariance attention: units attend to units, with a temperature for each head."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, HEADS, c // HEADS).permute(2, 0, 3, 4, 1)
        q, k, v = qkv.unbind(0)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        mixed = ((q @ k.transpose(-2, -1)) * self.temperature).softmax(dim=-1) @ v
        return self.head(x + self.out(mixed.permute(0, 3, 1, 2).reshape(b, n, c)))


class Detr(nn.Module):
    """Learned queries ask an image; each answers with a class and a box."""

    def __init__(self, queries: int = 3, width: int = 6) -> None:
        super().__init__()
        self.stem, self.queries = nn.Linear(3, width), nn.Embedding(queries, width)
        self.cross = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.norm, self.up, self.down = (
            nn.LayerNorm(width),
            nn.Linear(width, 7),
            nn.Linear(7, width),
        )
        self.kind, self.box = nn.Linear(width, 2), nn.Linear(width, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        memory = self.stem(x)
        place = self.queries.weight.unsqueeze(0).repeat(x.shape[0], 1, 1)
        target = torch.zeros_like(place)
        target = self.norm(target + self.cross(target + place, memory, memory)[0])
        target = target + self.down(F.relu(self.up(target)))
        return self.kind(target), self.box(target).sigmoid()


def grid_index(side: int) -> Tensor:
    """[side^2, side^2]: which row of a table of offsets a pair of places reads."""
    axes = torch.arange(side), torch.arange(side)
    places = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
    offset = (places[:, :, None] - places[:, None, :]).permute(1, 2, 0) + side - 1
    return offset[..., 0] * (2 * side - 1) + offset[..., 1]


class Swin(nn.Module):
    """Windows, shifted by a roll and masked, with Swin's table of relative positions."""

    def __init__(self, side: int, width: int = 6, window: int = 2, shift: int = 0) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.patch, self.norm = nn.Conv2d(3, width, 1), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, HEADS))
        self.register_buffer("index", grid_index(window), persistent=False)
        self.head = nn.Linear(width, 2)
        self.register_buffer("mask", self.mask_of(side) if shift else None, persistent=False)

    def partition(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        x = x.view(b, h // self.window, self.window, w // self.window, self.window, c)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, self.window**2, c)

    def mask_of(self, side: int) -> Tensor:
        cuts = (slice(0, -2), slice(-2, -1), slice(-1, None))
        image = torch.zeros(1, side, side, 1)
        for number, (rows, columns) in enumerate((r, c) for r in cuts for c in cuts):
            image[:, rows, columns] = number
        region = self.partition(image).squeeze(-1)
        return (region[:, None] != region[:, :, None]).float() * -100.0

    def attend(self, x: Tensor) -> Tensor:
        n, length, c = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        score = (q * (c // HEADS) ** -0.5) @ k.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(length, length, -1)
        score = score + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if self.mask is not None:
            windows = self.mask.shape[0]
            score = score.view(n // windows, windows, HEADS, length, length)
            score = (score + self.mask[None, :, None]).view(-1, HEADS, length, length)
        return self.out((score.softmax(-1) @ v).transpose(1, 2).reshape(n, length, c))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).permute(0, 2, 3, 1)
        b, h, w, c = x.shape
        moved = torch.roll(self.norm(x), (-self.shift, -self.shift), dims=(1, 2))
        windows = self.attend(self.partition(moved))
        windows = windows.view(b, h // self.window, w // self.window, self.window, self.window, c)
        back = windows.permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        x = x + torch.roll(back, (self.shift, self.shift), dims=(1, 2))
        return self.head(x.mean((1, 2)))


def _grid(make: Callable[[int], nn.Module]) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(size), (torch.randn(batch, size * size, 3),), {})


def _swin(shift: int) -> Callable[[int, int], Sample]:
    return lambda b, s: (Swin(s, shift=shift), (torch.randn(b, 3, s, s),), {})


_TOKENS = ("s", 3)
_PLAIN = {"stem.weight": 3, "q.weight": 1, "k.weight": 1, "v.weight": 1, "out.weight": 1}
_TURNED = {"stem.weight": 3, "q.weight": 4, "k.weight": 4, "v.weight": 1, "out.weight": 1}
_SWIN = {
    "patch.weight": 3, "norm.weight": 1, "qkv.weight": 3, "table": 9, "out.weight": 1,
    "head.weight": 2,
}  # fmt: skip

CASES: tuple[Case, ...] = (
    Case("rotary-half-split", simple(RotaryHalf, *_TOKENS), size=3, resized=4, classes=_TURNED),
    Case("rotary-interleaved", simple(RotaryInterleaved, *_TOKENS), size=3, resized=4,
         classes=_TURNED),
    Case("rotary-partial", simple(RotaryPartial, *_TOKENS), size=3, resized=4,
         classes=_TURNED | {"q.weight": 3, "k.weight": 3}),
    Case("rotary-polar", simple(RotaryPolar, *_TOKENS), size=3, resized=4, classes=_TURNED),
    Case("rotary-grid", _grid(RotaryGrid), size=2, resized=3, classes=_TURNED),
    Case("alibi-learned", simple(LearnedSlopes, *_TOKENS), size=3, resized=4,
         classes=_PLAIN | {"slopes": 1}),
    Case("t5-buckets", simple(Buckets, *_TOKENS), size=4, resized=5,
         classes=_PLAIN | {"table.weight": 8}),
    Case("beit-table", _grid(TokenTable), size=2,
         classes=_PLAIN | {"token": 3, "table": 9 + 3}),
    Case("shaw-relative", simple(Shaw, *_TOKENS), size=4,
         classes=_PLAIN | {"table": 5, "q.weight": 1}),
    Case("talking-heads", simple(TalkingHeads, *_TOKENS), size=3, resized=4,
         classes=_PLAIN | {"before.weight": 1, "after.weight": 1, "after.bias": 1}),
    Case("xcit", simple(Xcit, *_TOKENS), size=4, resized=5,
         classes={"stem.weight": 3, "qkv.weight": 3, "temperature": 1, "out.weight": 1}),
    Case("detr-queries", simple(Detr, *_TOKENS), size=4, resized=5, classes={
        "stem.weight": 3, "queries.weight": 3, "cross.in_proj_weight": 3, "up.weight": 1,
        "kind.weight": 2, "box.weight": 4}),
    Case("swin-window", _swin(0), size=4, classes=_SWIN),
    Case("swin-shifted", _swin(1), size=4, classes=_SWIN),
)  # fmt: skip

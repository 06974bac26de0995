"""Parameters and features on grids: merging, shuffling, sampling, hashing, Fourier layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple
from tests.zoo.dense import mlp


class PatchMerging(nn.Module):
    """Swin: four neighbours side by side, normalised, projected."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, width, 1), nn.LayerNorm(4 * width)
        self.reduction, self.head = nn.Linear(4 * width, 6, bias=False), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.patch(x)).permute(0, 2, 3, 1)
        parts = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return self.head(torch.relu(self.reduction(self.norm(torch.cat(parts, -1)))).mean((1, 2)))


class Shuffles(nn.Module):
    """Space to depth, a layer, and depth to space by view and permute."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.middle = nn.Conv2d(3, 4, 1), nn.Conv2d(16, 20, 1)
        self.leave = nn.Conv2d(5, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.middle(F.pixel_unshuffle(torch.relu(self.enter(x)), 2)))
        b, c, h, w = x.shape
        x = x.view(b, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
        return self.leave(x.reshape(b, c // 4, 2 * h, 2 * w))


class SpatialTransformer(nn.Module):
    """A localisation network turns the image before it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.locate, self.theta = nn.Conv2d(3, 4, 3), nn.Linear(4, 6)
        self.body, self.head = nn.Conv2d(3, 5, 3), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(torch.relu(self.locate(x)).mean((2, 3))).view(-1, 2, 3)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, align_corners=False)
        return self.head(torch.relu(self.body(x)).mean((2, 3)))


class Deformable(nn.Module):
    """Features read at places that a layer moves, as in deformable convolution."""

    def __init__(self, taps: int = 3) -> None:
        super().__init__()
        self.stem, self.taps = nn.Conv2d(3, 4, 1), taps
        self.offset, self.mask = nn.Conv2d(4, 2 * taps, 3, padding=1), nn.Conv2d(4, taps, 1)
        self.weight, self.head = nn.Conv2d(4 * taps, 5, 1), nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        b, _, h, w = x.shape
        rows, columns = torch.linspace(-1, 1, h), torch.linspace(-1, 1, w)
        base = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)
        offset = self.offset(x).view(b, self.taps, 2, h, w).permute(1, 0, 3, 4, 2)
        mask = self.mask(x).sigmoid()
        taken = [
            F.grid_sample(x, base + 0.1 * offset[i].tanh(), align_corners=True) * mask[:, i, None]
            for i in range(self.taps)
        ]
        return self.head(torch.relu(self.weight(torch.cat(taken, 1))))


class TriPlane(nn.Module):
    """Three planes of features, sampled at the projections of a point."""

    def __init__(self, side: int = 3, width: int = 4) -> None:
        super().__init__()
        self.planes = nn.Parameter(torch.randn(3, width, side, side + 1))
        self.decode = mlp(width, 6, 2)

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.stack([x[..., [0, 1]], x[..., [0, 2]], x[..., [1, 2]]])
        features = F.grid_sample(self.planes, pairs.clamp(-1, 1)[:, None], align_corners=True)
        return self.decode(features.sum(0).squeeze(1).t())


class DenseGrid(nn.Module):
    """A grid of features with the four corners looked up and blended by hand."""

    def __init__(self, side: int = 4, width: int = 3) -> None:
        super().__init__()
        self.side, self.table = side, nn.Parameter(torch.randn(side * side, width))
        self.decode = mlp(width, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.sigmoid() * (self.side - 1)
        low = x.floor().long().clamp(max=self.side - 2)
        part = x - low
        out = 0.0
        for dx in (0, 1):
            for dy in (0, 1):
                index = (low[:, 0] + dx) * self.side + low[:, 1] + dy
                weight = part[:, 0] if dx else 1 - part[:, 0]
                weight = weight * (part[:, 1] if dy else 1 - part[:, 1])
                out = out + weight[:, None] * self.table[index]
        return self.decode(out)


class HashGrid(nn.Module):
    """Instant-NGP: two levels of hashed corners, blended, side by side."""

    def __init__(self, entries: int = 8, width: int = 2) -> None:
        super().__init__()
        self.entries = entries
        self.levels = nn.ModuleList(nn.Embedding(entries, width) for _ in range(2))
        self.decode = mlp(2 * width, 5, 2)

    def look_up(self, table: nn.Module, x: Tensor) -> Tensor:
        low = x.floor()
        part = x - low
        out = torch.zeros((), dtype=x.dtype)
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            corner = low.long() + torch.tensor([dx, dy])
            index = (corner[:, 0] ^ (corner[:, 1] * 2654435761)) % self.entries
            weight = (part[:, 0] if dx else 1 - part[:, 0]) * (part[:, 1] if dy else 1 - part[:, 1])
            out = out + weight[:, None] * table(index)
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = x.sigmoid()
        parts = [self.look_up(table, x * 3.0 * 2**i) for i, table in enumerate(self.levels)]
        return self.decode(torch.cat(parts, -1))


class Spectral1d(nn.Module):
    """A Fourier layer: a complex matrix for each of the lowest frequencies."""

    def __init__(self, inner: int, outer: int, modes: int) -> None:
        super().__init__()
        self.outer, self.modes = outer, modes
        self.weight = nn.Parameter(torch.randn(inner, outer, modes, dtype=torch.cfloat) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x)
        out = torch.zeros(
            x.shape[0], self.outer, x.shape[-1] // 2 + 1, dtype=torch.cfloat, device=x.device
        )
        low = spectrum[..., : self.modes]
        out[..., : self.modes] = torch.einsum("bix,iox->box", low, self.weight)
        return torch.fft.irfft(out, n=x.shape[-1])


class Spectral2d(nn.Module):
    """The same in two dimensions, with matrices for positive and negative frequencies."""

    def __init__(self, inner: int, outer: int, modes: int) -> None:
        super().__init__()
        self.outer, self.modes = outer, modes
        shape = (inner, outer, modes, modes)
        self.low = nn.Parameter(torch.randn(*shape, dtype=torch.cfloat) * 0.4)
        self.high = nn.Parameter(torch.randn(*shape, dtype=torch.cfloat) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        m, spectrum = self.modes, torch.fft.rfft2(x)
        out = torch.zeros(b, self.outer, h, w // 2 + 1, dtype=torch.cfloat, device=x.device)
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :m, :m], self.low)
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -m:, :m], self.high)
        return torch.fft.irfft2(out, s=(h, w))


class Fno(nn.Module):
    """Lifting, a Fourier layer beside a pointwise one, projection."""

    def __init__(self, spectral: nn.Module, conv: type[nn.Module]) -> None:
        super().__init__()
        self.lift, self.project = conv(3, 4, 1), conv(5, 2, 1)
        self.spectral, self.local = spectral, conv(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x)
        return self.project(F.gelu(self.spectral(x) + self.local(x)))


class FourierMixing(nn.Module):
    """FNet: the real part of a transform over tokens and units."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(torch.relu(torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real + x))


class GlobalFilter(nn.Module):
    """GFNet: a learned complex filter for each unit and frequency, stored as real pairs."""

    def __init__(self, side: int, width: int = 4) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, width, 1), nn.Conv2d(width, 2, 1)
        self.filter = nn.Parameter(torch.randn(side, side // 2 + 1, width, 2) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x)).permute(0, 2, 3, 1)
        spectrum = torch.fft.rfft2(x, dim=(1, 2), norm="ortho")
        spectrum = spectrum * torch.view_as_complex(self.filter)
        x = torch.fft.irfft2(spectrum, s=x.shape[1:3], dim=(1, 2), norm="ortho")
        return self.head(x.permute(0, 3, 1, 2).relu())


def _filtered(batch: int, size: int) -> Sample:
    return GlobalFilter(size), (torch.randn(batch, 3, size, size),), {}


def _fno(dims: int) -> Callable[[], nn.Module]:
    if dims == 1:
        return lambda: Fno(Spectral1d(4, 5, 3), nn.Conv1d)
    return lambda: Fno(Spectral2d(4, 5, 2), nn.Conv2d)


class StridedWindows(nn.Module):
    """Overlapping windows of keys by strides, on memory whose axes lie in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.head = nn.Linear(3, 8), nn.Linear(3, 8), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k = (f(x).unflatten(-1, (2, 4)).transpose(1, 2) for f in (self.q, self.k))
        batch, head, token, unit = k.stride()
        shape = (k.shape[0], 2, k.shape[2] - 1, 2, 4)
        windows = k.as_strided(shape, (batch, head, token, token, unit))
        score = torch.einsum("bhtd,bhtwd->bhtw", q[:, :, 1:], windows).softmax(-1)
        return self.head(score.amax((1, 2)))


_IMAGE = (3, "s", "s")
_FNO = {"lift.weight": 3, "local.weight": 1, "project.weight": 2}

CASES: tuple[Case, ...] = (
    Case("patch-merging", simple(PatchMerging, *_IMAGE), size=4, resized=6, classes={
        "patch.weight": 3, "norm.weight": 4, "norm.bias": 4, "reduction.weight": 4}),
    Case("pixel-unshuffle", simple(Shuffles, *_IMAGE), size=4, resized=6, classes={
        "enter.weight": 3, "middle.weight": 16, "middle.bias": 4, "leave.weight": 18}),
    Case("spatial-transformer", simple(SpatialTransformer, *_IMAGE), size=5, resized=6, classes={
        "locate.weight": 27, "theta.weight": 6, "body.weight": 27, "head.weight": 2}),
    Case("deformable", simple(Deformable, *_IMAGE), size=4, resized=5, classes={
        "stem.weight": 3, "offset.bias": 2, "mask.bias": 1, "weight.weight": 1}),
    Case("tri-planes", simple(TriPlane, 3), classes={"planes": 36, "decode.0.weight": 1}),
    Case("dense-grid", simple(DenseGrid, 2), classes={"table": 16, "decode.0.weight": 1}),
    Case("hash-grid", simple(HashGrid, 2), classes={
        "levels.0.weight": 8, "levels.1.weight": 8, "decode.0.weight": 2, "decode.2.weight": 2}),
    Case("fno-1d", simple(_fno(1), 3, "s"), size=8, resized=10,
         classes=_FNO | {"spectral.weight": 3}),
    Case("fno-2d", simple(_fno(2), *_IMAGE), size=6, resized=8,
         classes=_FNO | {"spectral.low": 4, "spectral.high": 4}),
    Case("fourier-mixing", simple(FourierMixing, "s", 3), size=5, classes={"head.bias": 2}),
    Case("strided-windows", simple(StridedWindows, "s", 3), size=5, resized=6,
         classes={"q.weight": 3, "k.weight": 3, "k.bias": 1, "head.weight": 4}),
    Case("global-filter", _filtered, size=4,
         classes={"stem.weight": 3, "filter": 24, "head.weight": 2}),
)  # fmt: skip

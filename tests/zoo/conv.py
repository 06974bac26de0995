"""Convolutions of every kind and the ways in which they meet other layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Apply, Case, simple


def conv(fan_in: int, fan_out: int, kernel: int = 3, **options: object) -> nn.Conv2d:
    """A 2-D convolution that keeps the size of the image."""
    options.setdefault("padding", kernel // 2)
    return nn.Conv2d(fan_in, fan_out, kernel, **options)  # type: ignore[arg-type]


def pooled(*layers: nn.Module, width: int, outputs: int = 3) -> nn.Sequential:
    """Layers, global average pooling, a linear head."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))


def between(layer: nn.Module, fan_in: int, fan_out: int) -> nn.Sequential:
    """`layer` between two 1x1 convolutions, so that both of its sides are hidden."""
    return pooled(conv(3, fan_in, 1), nn.ReLU(), layer, nn.ReLU(), width=fan_out)


class TwoConvs(nn.Module):
    """The sum of two convolutions of equal shape, made different by what `change` does."""

    def __init__(self, first: dict[str, int], second: dict[str, int], roll: int = 0) -> None:
        super().__init__()
        self.stem, self.roll = conv(3, 4, 1), roll
        self.left = nn.Conv2d(4, 6, 3, bias=False, **first)
        self.right = nn.Conv2d(4, 6, 3, bias=False, **second)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        right = self.right(x.roll(self.roll, -1) if self.roll else x)
        return self.head(torch.tanh(self.left(x) + right).mean((2, 3)))


class SqueezeExcite(nn.Module):
    """A channel gate computed from pooled features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down, self.up = conv(3, 8), nn.Linear(8, 4), nn.Linear(4, 8)
        self.body, self.head = conv(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
        return self.head(torch.relu(self.body(x * gate[:, :, None, None])).mean((2, 3)))


class UNet(nn.Module):
    """Two levels, concatenated skips, max pooling down and transposed convolution up."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.enter, self.down = conv(3, width), conv(width, 2 * width)
        self.middle = conv(2 * width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge, self.leave = conv(2 * width, width), conv(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = torch.relu(self.enter(x))
        x = torch.relu(self.down(F.max_pool2d(skip, 2)))
        x = self.up(torch.relu(self.middle(x)))
        return self.leave(torch.relu(self.merge(torch.cat([x, skip], 1))))


class UpsampleUNet(UNet):
    """The same with bilinear interpolation in place of the transposed convolution."""

    def __init__(self) -> None:
        super().__init__(4)
        self.up = conv(8, 4, 1)  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        skip = torch.relu(self.enter(x))
        x = torch.relu(self.down(F.avg_pool2d(skip, 2)))
        x = F.interpolate(self.up(self.middle(x)), scale_factor=2.0, mode="bilinear")
        return self.leave(torch.relu(self.merge(torch.cat([x, skip], 1))))


class Dense(nn.Module):
    """DenseNet: each layer reads everything before it."""

    def __init__(self, growth: int = 3) -> None:
        super().__init__()
        self.stem = conv(3, 4)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + growth * i) for i in range(3))
        self.layers = nn.ModuleList(conv(4 + growth * i, growth) for i in range(3))
        self.head = nn.Linear(4 + 3 * growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = torch.cat([x, layer(torch.relu(norm(x)))], 1)
        return self.head(torch.relu(x).mean((2, 3)))


class Shuffle(nn.Module):
    """ShuffleNet's channel shuffle between two grouped convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first = conv(3, 8, 1), conv(8, 8, 1, groups=2)
        self.second, self.head = conv(8, 8, 1, groups=4), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.channel_shuffle(torch.relu(self.first(torch.relu(self.stem(x)))), 2)
        return self.head(torch.relu(self.second(x)).mean((2, 3)))


def _flatten() -> nn.Module:
    return nn.Sequential(conv(3, 4), nn.ReLU(), nn.MaxPool2d(2), conv(4, 6), nn.ReLU(),
                         nn.Flatten(), nn.Linear(6 * 16, 5), nn.ReLU(),
                         nn.Linear(5, 2))  # fmt: skip


def _one_d(**options: object) -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 6, 3, padding=1), nn.ReLU(),
                         nn.Conv1d(6, 6, 3, **options), nn.ReLU(),  # type: ignore[arg-type]
                         nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 2))  # fmt: skip


def _three_d() -> nn.Module:
    return nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 4, (1, 2, 3)),
                         nn.ReLU(), nn.AdaptiveMaxPool3d(1), nn.Flatten(),
                         nn.Linear(4, 2))  # fmt: skip


def _norm(make: Callable[[], nn.Module], width: int = 8) -> Callable[[], nn.Module]:
    return lambda: pooled(
        conv(3, width, bias=False),
        make(),
        nn.ReLU(),
        conv(width, width),
        make(),
        nn.ReLU(),
        width=width,
    )


def _transposed(**options: int) -> Callable[[], nn.Module]:
    return lambda: between(nn.ConvTranspose2d(4, 6, 3, **options), 4, 6)


def _pixel_shuffle() -> nn.Module:
    return nn.Sequential(
        conv(3, 8), nn.ReLU(), nn.PixelShuffle(2), conv(2, 4), nn.ReLU(), conv(4, 1)
    )


def _unfold() -> nn.Module:
    patches = Apply(lambda x: F.unfold(x, 2, stride=2).transpose(1, 2), "unfold")
    return nn.Sequential(
        conv(3, 4), nn.ReLU(), patches, nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 2)
    )


def _pool(layer: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(
        conv(3, 6), nn.ReLU(), layer, nn.Flatten(), nn.Linear(6 * 4, 4), nn.ReLU(), nn.Linear(4, 2)
    )


_IMAGE = (3, "s", "s")

CASES: tuple[Case, ...] = (
    Case("conv1d", simple(lambda: _one_d(padding=1), 3, "s"), resized=11,
         classes={"0.weight": 9, "2.weight": 3, "6.weight": 2}),
    Case("conv1d-dilated", simple(lambda: _one_d(dilation=2), 3, "s"), resized=11,
         classes={"2.weight": 3}),
    Case("conv1d-causal", simple(lambda: nn.Sequential(
        nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(3, 6, 3), nn.ReLU(), nn.Conv1d(6, 2, 1)), 3, "s"),
        resized=11, classes={"1.weight": 9}),
    Case("conv2d", simple(lambda: pooled(conv(3, 6), nn.ReLU(), conv(6, 8), nn.ReLU(), width=8),
         *_IMAGE),
         resized=10, classes={"0.weight": 27, "0.bias": 1, "2.weight": 9, "6.weight": 3}),
    Case("conv2d-full-image",
         simple(lambda: nn.Sequential(conv(3, 6), nn.ReLU(), conv(6, 2)), *_IMAGE),
         resized=9, classes={"0.weight": 27, "2.weight": 18}),
    Case("conv2d-strided", simple(lambda: between(conv(4, 6, stride=2), 4, 6), *_IMAGE),
         resized=10),
    Case("conv2d-asymmetric", simple(lambda: between(
        nn.Conv2d(4, 6, (1, 5), padding=(0, 2)), 4, 6), *_IMAGE), resized=9,
        classes={"2.weight": 5}),
    Case("conv2d-padding-modes", simple(lambda: between(
        conv(4, 6, padding_mode="circular"), 4, 6), *_IMAGE), resized=9, classes={"2.weight": 9}),
    Case("conv2d-reflect",
         simple(lambda: between(conv(4, 6, padding_mode="reflect"), 4, 6), *_IMAGE)),
    Case("conv2d-same", simple(lambda: between(
        nn.Conv2d(4, 6, 4, padding="same"), 4, 6), *_IMAGE), resized=9, classes={"2.weight": 16}),
    Case("conv3d", simple(_three_d, 2, "s", "s", "s"), size=5, resized=6,
         classes={"0.weight": 54, "2.weight": 6}),
    Case("conv2d-grouped", simple(lambda: between(conv(6, 8, groups=2), 6, 8), *_IMAGE), resized=9,
         classes={"2.weight": 9, "2.bias": 1}),
    Case("conv2d-depthwise", simple(lambda: between(conv(6, 6, groups=6), 6, 6), *_IMAGE),
         resized=9,
         classes={"2.weight": 9}),
    Case("conv2d-depthwise-multiplier",
         simple(lambda: between(conv(4, 8, groups=4), 4, 8), *_IMAGE), resized=9,
         classes={"2.weight": 9}),
    Case("conv2d-grouped-input", simple(lambda: pooled(conv(6, 8, groups=2), width=8), 6, "s", "s"),
         classes={"0.weight": 54, "0.bias": 2}),
    Case("conv2d-dilated",
         simple(lambda: between(conv(4, 6, dilation=2, padding=2), 4, 6), *_IMAGE), resized=9),
    Case("conv-transpose2d", simple(_transposed(stride=2), *_IMAGE), size=5, resized=6,
         classes={"2.weight": 9, "2.bias": 1}),
    Case("conv-transpose2d-padded",
         simple(_transposed(stride=2, padding=1, output_padding=1), *_IMAGE),
         size=5, resized=6),
    Case("conv-transpose2d-grouped", simple(_transposed(stride=2, groups=2), *_IMAGE), size=5,
         resized=6,
         classes={"2.weight": 9, "2.bias": 1}),
    Case("conv-transpose1d", simple(lambda: nn.Sequential(nn.Conv1d(3, 4, 1), nn.ReLU(),
         nn.ConvTranspose1d(4, 4, 4, stride=2, dilation=2), nn.ReLU(), nn.Conv1d(4, 2, 1)), 3, "s"),
         resized=9, classes={"2.weight": 4}),
    Case("conv-transpose3d", simple(lambda: nn.Sequential(nn.Conv3d(1, 4, 1), nn.ReLU(),
         nn.ConvTranspose3d(4, 4, 2, stride=2), nn.ReLU(), nn.Conv3d(4, 2, 1)), 1, "s", "s", "s"),
         size=3, resized=4, classes={"2.weight": 8}),
    Case("conv-flatten-linear", simple(_flatten, *_IMAGE),
         classes={"0.weight": 27, "3.weight": 9, "6.weight": 16, "8.weight": 2}),
    Case("conv-flatten-linear-1x1", simple(lambda: nn.Sequential(
        conv(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2)), *_IMAGE), size=3,
        classes={"3.weight": 18}),
    Case("branches-dilation", simple(lambda: TwoConvs(
        {"padding": 1}, {"padding": 2, "dilation": 2}), *_IMAGE), resized=9),
    Case("branches-roll", simple(lambda: TwoConvs({"padding": 1}, {"padding": 1}, roll=1),
         *_IMAGE), resized=9),
    Case("branches-equal-convs", simple(lambda: TwoConvs({"stride": 2}, {"stride": 2}), *_IMAGE),
         size=9, resized=11),
    Case("squeeze-excite", simple(SqueezeExcite, *_IMAGE), resized=9,
         classes={"down.weight": 1, "up.weight": 1, "body.weight": 9}),
    Case("group-norm", simple(_norm(lambda: nn.GroupNorm(4, 8)), *_IMAGE), resized=9,
         classes={"0.weight": 27, "1.weight": 1, "3.weight": 9}),
    Case("group-norm-one", simple(_norm(lambda: nn.GroupNorm(1, 8)), *_IMAGE), resized=9,
         classes={"1.bias": 1}),
    Case("instance-norm", simple(_norm(lambda: nn.InstanceNorm2d(8)), *_IMAGE), resized=9,
         classes={"0.weight": 27, "3.weight": 9}),
    Case("instance-norm-affine", simple(_norm(lambda: nn.InstanceNorm2d(8, affine=True)), *_IMAGE),
         classes={"1.weight": 1}),
    Case("instance-norm-running", simple(_norm(lambda: nn.InstanceNorm2d(
        8, affine=True, track_running_stats=True)), *_IMAGE), classes={"1.running_mean": 1}),
    Case("batch-norm-eval", simple(_norm(lambda: nn.BatchNorm2d(8)), *_IMAGE), resized=9,
         classes={"1.weight": 1, "1.running_var": 1, "1.running_mean": 1}),
    Case("batch-norm-train", simple(_norm(lambda: nn.BatchNorm2d(8)), *_IMAGE), resized=9,
         train=True,
         classes={"1.weight": 1}),
    Case("batch-norm-no-affine", simple(_norm(lambda: nn.BatchNorm2d(8, affine=False)), *_IMAGE)),
    Case("batch-norm-no-stats", simple(_norm(lambda: nn.BatchNorm2d(
        8, track_running_stats=False)), *_IMAGE), classes={"1.weight": 1}),
    Case("local-response-norm", simple(_norm(lambda: nn.LocalResponseNorm(3)), *_IMAGE), resized=9),
    Case("max-pool-flatten", simple(_pool(nn.MaxPool2d(4)), *_IMAGE), classes={"4.weight": 4}),
    Case("avg-pool-flatten", simple(_pool(nn.AvgPool2d(4)), *_IMAGE), classes={"4.weight": 4}),
    Case("adaptive-pool-flatten", simple(_pool(nn.AdaptiveAvgPool2d(2)), *_IMAGE), resized=10,
         classes={"4.weight": 4}),
    Case("pixel-shuffle", simple(_pixel_shuffle, *_IMAGE), resized=9, classes={"0.weight": 27 * 4}),
    Case("channel-shuffle", simple(Shuffle, *_IMAGE), resized=9,
         classes={"first.weight": 1, "second.weight": 1}),
    Case("unfold-patches", simple(_unfold, *_IMAGE), resized=10, classes={"3.weight": 4}),
    Case("unet", simple(UNet, *_IMAGE), resized=12,
         classes={"enter.weight": 27, "up.weight": 4, "merge.weight": 18, "leave.weight": 2}),
    Case("unet-upsample", simple(UpsampleUNet, *_IMAGE), resized=12, classes={"merge.weight": 18}),
    Case("densenet", simple(Dense, *_IMAGE), resized=9,
         classes={"stem.weight": 27, "layers.0.weight": 9, "layers.2.weight": 27}),
)  # fmt: skip

"""Residual convolutional networks: our own small blocks, and torchvision's with tiny widths."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo import libraries
from tests.zoo.case import Case, Sample, simple
from tests.zoo.conv import conv


class Basic(nn.Module):
    """The two-convolution block of ResNet-18, with a projection where the shape changes."""

    def __init__(self, fan_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(fan_in, width, stride=stride, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, bias=False), nn.BatchNorm2d(width)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or fan_in != width:
            project = conv(fan_in, width, 1, stride=stride, bias=False)
            self.skip = nn.Sequential(project, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.skip(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, pre-activation."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.enter, self.body, self.leave = (
            conv(width, inner, 1),
            conv(inner, inner),
            conv(inner, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.body(torch.relu(self.enter(torch.relu(self.norm(x))))))
        return x + self.leave(y)


class Inverted(nn.Module):
    """MobileNetV2: expand, depthwise, project, add."""

    def __init__(self, width: int = 4, factor: int = 2) -> None:
        super().__init__()
        inner = width * factor
        self.expand, self.bn1 = conv(width, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.depthwise, self.bn2 = (
            conv(inner, inner, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
        )
        self.project, self.bn3 = conv(inner, width, 1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.expand(x)))
        y = F.relu6(self.bn2(self.depthwise(y)))
        return x + self.bn3(self.project(y))


class ConvNextBlock(nn.Module):
    """Depthwise 7x7, channels-last LayerNorm, two linears, layer scale."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.depthwise, self.norm = conv(width, width, 7, groups=width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.gamma * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


class Net(nn.Module):
    """A stem, blocks, average pooling and a linear head."""

    def __init__(self, width: int, *blocks: nn.Module, out: int | None = None) -> None:
        super().__init__()
        self.stem, self.blocks = conv(3, width), nn.Sequential(*blocks)
        self.head = nn.Linear(out or width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


class Repeated(nn.Module):
    """One block applied three times to its own residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net(4)
        self.block = Bottleneck(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.net.stem(x)
        for _ in range(3):
            x = self.block(x)
        return self.net.head(x.mean((2, 3)))


def _resnet(batch: int, size: int, block: str, layers: tuple[int, ...]) -> Sample:
    """torchvision's ResNet with two channels where the original has 64."""
    resnet = libraries.torchvision_models().resnet
    net = resnet.ResNet(getattr(resnet, block), list(layers), num_classes=3, width_per_group=64)
    narrow = 4
    # The widths are written into the class, so the tiny net is built from its own blocks.
    net.inplanes = narrow
    net.conv1 = nn.Conv2d(3, narrow, 7, stride=2, padding=3, bias=False)
    net.bn1 = nn.BatchNorm2d(narrow)
    net.layer1 = net._make_layer(getattr(resnet, block), narrow, layers[0])
    net.layer2 = net._make_layer(getattr(resnet, block), 2 * narrow, layers[1], stride=2)
    net.layer3 = net._make_layer(getattr(resnet, block), narrow, layers[2], stride=2)
    net.layer4 = net._make_layer(getattr(resnet, block), 2 * narrow, layers[3], stride=2)
    net.fc = nn.Linear(net.inplanes, 3)
    return net, (torch.randn(batch, 3, size, size),), {}


_IMAGE = (3, "s", "s")

CASES: tuple[Case, ...] = (
    Case("resnet-basic", simple(lambda: Net(4, Basic(4, 4), Basic(4, 6, stride=2), out=6), *_IMAGE),
         resized=10, classes={"stem.weight": 27, "blocks.0.conv1.weight": 9,
                              "blocks.0.conv2.weight": 9, "blocks.1.skip.0.weight": 1}),
    Case("resnet-bottleneck", simple(lambda: Net(6, Bottleneck(6, 3), Bottleneck(6, 3)), *_IMAGE),
         resized=10, classes={"blocks.0.enter.weight": 1, "blocks.1.body.weight": 9}),
    Case("resnet-block-reused", simple(Repeated, *_IMAGE),
         classes={"block.enter.weight": 1, "block.body.weight": 9}),
    Case("mobilenet-block", simple(lambda: Net(4, Inverted(), Inverted()), *_IMAGE), resized=10,
         classes={"blocks.0.depthwise.weight": 9, "blocks.1.expand.weight": 1}),
    Case("convnext-block", simple(lambda: Net(6, ConvNextBlock(), ConvNextBlock()), *_IMAGE),
         resized=10, classes={"blocks.0.depthwise.weight": 49, "blocks.0.gamma": 1}),
    Case("torchvision-resnet18", lambda b, s: _resnet(b, s, "BasicBlock", (2, 2, 2, 2)), size=32,
         resized=40, classes={"conv1.weight": 147, "layer1.0.conv1.weight": 9}, heavy=True),
    Case("torchvision-bottleneck", lambda b, s: _resnet(b, s, "Bottleneck", (1, 2, 1, 1)), size=32,
         classes={"conv1.weight": 147, "layer1.0.conv1.weight": 1}, heavy=True),
)  # fmt: skip

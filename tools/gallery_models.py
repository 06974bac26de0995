"""The networks of the gallery, in plain PyTorch: each function gives (model, example inputs).

Weights are random. What is drawn as an architecture has no need of them, and large ones are made
on the meta device, where a tensor has a shape and no memory.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.libraries import transformers

Sample = tuple[nn.Module, tuple[Tensor, ...]]


def mlp() -> Sample:
    """A perceptron with two hidden layers."""
    model = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)
    )  # fmt: skip
    return model, (torch.randn(2, 4),)


def lenet() -> Sample:
    """Two convolutions with pooling and three linear layers, after LeNet-5."""
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return model, (torch.randn(1, 1, 28, 28),)


class ResidualBlock(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x))))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


def resnet_block() -> Sample:
    """A convolution that makes channels, a residual block, a linear layer on channel means."""
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(2, 4, 3, padding=1))
    model.add_module("block", ResidualBlock(4))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(4, 2))
    with torch.no_grad():
        for norm in (model.block.norm1, model.block.norm2):
            # As after some training: fresh ones are all zero and one.
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 1.5)
    return model.eval(), (torch.randn(1, 2, 8, 8),)


class AttentionBlock(nn.Module):
    """x + attention(norm(x)), with the projections that everybody writes."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, tokens, width], both ways."""
        y = self.norm(x)
        q, k, v = (
            layer(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(1, 2).flatten(2))


def attention_block() -> Sample:
    """Self-attention of width 6 in two heads, with a layer norm and a skip."""
    model = AttentionBlock(6, 2)
    with torch.no_grad():
        model.norm.weight.uniform_(0.5, 1.5)
        model.norm.bias.uniform_(-0.5, 0.5)
    return model, (torch.randn(1, 5, 6),)


def lstm() -> Sample:
    """One layer of torch's LSTM."""
    return nn.LSTM(3, 4), (torch.randn(5, 1, 3),)


class EncoderBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """ViT-B/16: patches, a class token, positions, twelve blocks, a linear layer."""

    def __init__(self, width: int = 768, layers: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, stride=16)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 197, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1000)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def vit() -> Sample:
    """A vision transformer of the size of ViT-B/16."""
    with torch.device("meta"):
        return VisionTransformer(), (torch.randn(1, 3, 224, 224),)


def gpt2() -> Sample:
    """GPT-2 with 124 million parameters, as transformers has it."""
    library = transformers()
    with torch.device("meta"):
        model = library.GPT2LMHeadModel(library.GPT2Config(use_cache=False))
        return model.eval(), (torch.zeros(1, 8, dtype=torch.int64),)


def llama() -> Sample:
    """A small Llama: RMS norms, rotary positions, grouped queries, SwiGLU."""
    library = transformers()
    config = library.LlamaConfig(
        vocab_size=1000, hidden_size=128, intermediate_size=344, num_hidden_layers=4,
        num_attention_heads=8, num_key_value_heads=4, use_cache=False,
    )  # fmt: skip
    return library.LlamaForCausalLM(config).eval(), (torch.zeros(1, 8, dtype=torch.int64),)


class Twice(nn.Sequential):
    """Two convolutions with batch norms."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU(),
            nn.Conv2d(outer, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    """Down and up again; each level of the way down is read by its level of the way up."""

    def __init__(self, channels: int = 3, width: int = 16, classes: int = 2) -> None:
        super().__init__()
        self.down1 = Twice(channels, width)
        self.down2 = Twice(width, 2 * width)
        self.bottom = Twice(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.merge2 = Twice(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge1 = Twice(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        y = self.bottom(F.max_pool2d(two, 2))
        y = self.merge2(torch.cat([two, self.up2(y)], dim=1))
        y = self.merge1(torch.cat([one, self.up1(y)], dim=1))
        return self.head(y)


def unet() -> Sample:
    """A U-Net with three levels."""
    return UNet().eval(), (torch.randn(1, 3, 32, 32),)


class MixerBlock(nn.Module):
    """A perceptron over the patches, then one over the channels."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(
            nn.Linear(patches, 2 * patches), nn.GELU(), nn.Linear(2 * patches, patches)
        )
        self.channels = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Patches, blocks, the mean over patches, a linear layer."""

    def __init__(self, patches: int = 16, width: int = 32, layers: int = 6) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.blocks = nn.Sequential(*(MixerBlock(patches, width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(dim=1))


def mixer() -> Sample:
    """An MLP-Mixer with six blocks."""
    return Mixer(), (torch.randn(1, 3, 32, 32),)

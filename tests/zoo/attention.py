"""Attention in all spellings, and the token mixers that replace it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple


def heads(x: Tensor, count: int) -> Tensor:
    """[batch, tokens, features] -> [batch, heads, tokens, features of a head]."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


class SelfAttention(nn.Module):
    """`nn.MultiheadAttention` of a sequence with itself, between two linear layers."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 8), nn.Linear(8, 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **options)  # type: ignore[arg-type]
        self.weights = bool(options.get("bias", True))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.attention(x, x, x, need_weights=self.weights)[0])


class CrossAttention(nn.Module):
    """`nn.MultiheadAttention` with keys and values of other widths than the queries."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=5, vdim=6, batch_first=True)
        self.query, self.head = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self.head(self.attention(self.query(x), key, value, need_weights=False)[0])


class Einsum(nn.Module):
    """Attention written with einsum and an explicit softmax over the keys."""

    def __init__(self, width: int = 8, count: int = 2) -> None:
        super().__init__()
        inner = width // count
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.qkv = nn.Parameter(torch.randn(3, count, width, inner) * 0.3)
        self.out = nn.Parameter(torch.randn(count, inner, width) * 0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = torch.einsum("bti,chid->cbhtd", x, self.qkv)
        score = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1])
        mixed = torch.einsum("bhqk,bhkd->bhqd", score.softmax(-1), v)
        return self.head(x + torch.einsum("bhqd,hdo->bqo", mixed, self.out))


class Alibi(nn.Module):
    """Causal attention with a fixed slope for each head: the heads are not interchangeable."""

    def __init__(self, width: int = 8, count: int = 2) -> None:
        super().__init__()
        self.count = count
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        slopes = 2.0 ** (-8.0 * torch.arange(1, count + 1) / count)
        self.register_buffer("slopes", slopes, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = (heads(part, self.count) for part in self.qkv(x).chunk(3, -1))
        time = torch.arange(x.shape[1], device=x.device)
        bias = self.slopes[:, None, None] * (time[None, :] - time[:, None])
        future = time[None, :] > time[:, None]
        score = q @ k.mT / math.sqrt(q.shape[-1]) + bias
        mixed = score.masked_fill(future, -torch.inf).softmax(-1) @ v
        return self.head(self.out(mixed.transpose(1, 2).flatten(2)))


class Perceiver(nn.Module):
    """Learned queries that read the input by cross attention."""

    def __init__(self, latents: int = 3) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(latents, 8))
        self.embed, self.norm = nn.Linear(4, 8), nn.LayerNorm(8)
        self.q, self.kv, self.out = nn.Linear(8, 8), nn.Linear(8, 16), nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        k, v = (heads(part, 2) for part in self.kv(self.embed(x)).chunk(2, -1))
        queries = self.queries.expand(x.shape[0], -1, -1)
        mixed = F.scaled_dot_product_attention(heads(self.q(self.norm(queries)), 2), k, v)
        latents = queries + self.out(mixed.transpose(1, 2).flatten(2))
        return self.head(latents.mean(1))


class TinyVit(nn.Module):
    """Patches, a class token, learned positions, one pre-norm block."""

    def __init__(self, size: int, width: int = 8) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, (size // 4) ** 2 + 1, width))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x)[:, 0])


class Mixer(nn.Module):
    """MLP-Mixer: one MLP over tokens, one over channels."""

    def __init__(self, tokens: int, width: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens1, self.tokens2 = nn.Linear(tokens, 5), nn.Linear(5, tokens)
        self.channels1, self.channels2 = nn.Linear(width, 7), nn.Linear(7, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.tokens2(F.gelu(self.tokens1(self.norm1(x).mT))).mT
        x = x + self.channels2(F.gelu(self.channels1(self.norm2(x))))
        return self.head(x.mean(1))


class Gmlp(nn.Module):
    """gMLP: half of the features gates the other half after a projection over tokens."""

    def __init__(self, tokens: int, width: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.norm, self.up, self.down = (
            nn.LayerNorm(width),
            nn.Linear(width, 8),
            nn.Linear(4, width),
        )
        self.gate_norm, self.spatial = nn.LayerNorm(4), nn.Conv1d(tokens, tokens, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        value, gate = F.gelu(self.up(self.norm(x))).chunk(2, -1)
        x = x + self.down(value * self.spatial(self.gate_norm(gate)))
        return self.head(x.mean(1))


class LinearAttention(nn.Module):
    """softmax-free attention: (k^T v) first, positive features, normalised by a sum."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k = F.elu(heads(self.q(x), 2)) + 1, F.elu(heads(self.k(x), 2)) + 1
        state = k.mT @ heads(self.v(x), 2)
        scale = q @ k.sum(2, keepdim=True).mT
        return self.head(((q @ state) / scale).transpose(1, 2).flatten(2))


class Norms(nn.Module):
    """A norm between two linear layers."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Linear(4, 8), norm, nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.stem(x))))


class RmsByHand(nn.Module):
    """RMSNorm spelt out with pow, mean and rsqrt."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Pooled(nn.Module):
    """Embedded tokens with a padding index, averaged, classified."""

    def __init__(self, tie: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6, padding_idx=0)
        self.middle, self.head = nn.Linear(6, 6), nn.Linear(6, 11 if tie else 3)
        if tie:
            self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(torch.relu(self.middle(self.embed(ids).mean(1))))


class Sinusoid(nn.Module):
    """Tokens plus fixed sinusoidal positions, through an encoder layer."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        time, rate = torch.arange(16)[:, None], 10 ** (-torch.arange(0, width, 2) / width)
        table = torch.stack([(time * rate).sin(), (time * rate).cos()], -1).flatten(1)
        self.register_buffer("table", table, persistent=False)
        self.layer = nn.TransformerEncoderLayer(width, 2, 12, dropout=0.1, batch_first=True)
        self.head = nn.Linear(width, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) + self.table[: ids.shape[1]]
        return self.head(self.layer(x).mean(1))


class Encoder(nn.Module):
    """`nn.TransformerEncoderLayer` between two linear layers, causal if asked."""

    def __init__(self, *, causal: bool = False, **options: object) -> None:
        super().__init__()
        self.stem, self.head, self.causal = nn.Linear(3, 8), nn.Linear(8, 2), causal
        settings: dict[str, object] = {"dropout": 0.1, "batch_first": True, **options}
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, **settings)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x, mask = self.stem(x), None
        if self.causal:
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.layer(x, src_mask=mask, is_causal=self.causal))


class Decoder(nn.Module):
    """`nn.TransformerDecoderLayer` on two sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 8), nn.Linear(4, 8), nn.Linear(8, 2)
        self.layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        return self.head(self.layer(self.left(x), self.right(memory)))


def _ids(make: Callable[[], nn.Module]) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(), (torch.randint(1, 11, (batch, size)),), {})


def _sized(make: Callable[[int], nn.Module], *shape: int | str) -> Callable[[int, int], Sample]:
    return lambda batch, size: simple(lambda: make(size), *shape)(batch, size)


def _cross(batch: int, size: int) -> Sample:
    other = torch.randn(batch, size + 1, 5), torch.randn(batch, size + 1, 6)
    return CrossAttention(), (torch.randn(batch, size, 3), *other), {}


def _decoder(batch: int, size: int) -> Sample:
    return Decoder(), (torch.randn(batch, size, 3), torch.randn(batch, size + 1, 4)), {}


_TOKENS = ("s", 3)
_MHA = {
    "stem.weight": 3, "attention.in_proj_weight": 3, "attention.in_proj_bias": 3,
    "attention.out_proj.weight": 1, "head.weight": 2,
}  # fmt: skip
_LAYER = {
    "layer.self_attn.in_proj_weight": 3, "layer.linear1.weight": 1, "layer.linear2.weight": 1,
    "layer.norm1.weight": 1, "layer.norm2.bias": 1, "head.weight": 2,
}  # fmt: skip

CASES: tuple[Case, ...] = (
    Case("mha", simple(SelfAttention, *_TOKENS), size=4, resized=5, classes=_MHA),
    Case("mha-no-bias", simple(lambda: SelfAttention(bias=False), *_TOKENS), size=4, resized=5),
    Case("mha-bias-kv", simple(lambda: SelfAttention(
        add_bias_kv=True, add_zero_attn=True), *_TOKENS), size=4),
    Case("mha-cross", _cross, size=4, resized=5, classes={
        "attention.q_proj_weight": 1, "attention.k_proj_weight": 5, "attention.v_proj_weight": 6}),
    Case("encoder-layer", simple(Encoder, *_TOKENS), size=4, resized=5, classes=_LAYER),
    Case("encoder-layer-norm-first", simple(lambda: Encoder(
        norm_first=True, activation="gelu"), *_TOKENS), size=4, resized=5, classes=_LAYER),
    Case("encoder-layer-causal", simple(lambda: Encoder(causal=True), *_TOKENS), size=4, resized=6,
         classes=_LAYER),
    Case("decoder-layer", _decoder, size=4, resized=5, classes={
        "layer.self_attn.in_proj_weight": 3, "layer.multihead_attn.in_proj_weight": 3,
        "layer.linear1.weight": 1}),
    Case("einsum-attention", simple(Einsum, *_TOKENS), size=4, resized=5,
         classes={"qkv": 3, "out": 1, "stem.weight": 3}),
    Case("alibi", simple(Alibi, *_TOKENS), size=4, resized=6,
         classes={"qkv.weight": 6, "out.weight": 2}),
    Case("linear-attention", simple(LinearAttention, *_TOKENS), size=4, resized=5,
         classes={"q.weight": 1, "k.weight": 1, "v.weight": 1}),
    Case("perceiver", simple(Perceiver, "s", 4), size=5, resized=6,
         classes={"q.weight": 1, "kv.weight": 2, "out.weight": 1}),
    Case("tiny-vit", _sized(TinyVit, 3, "s", "s"), classes={
        "patch.weight": 48, "token": 1, "position": 5, "qkv.weight": 3, "up.weight": 1}),
    Case("mlp-mixer", _sized(Mixer, *_TOKENS), size=4, classes={
        "stem.weight": 3, "channels1.weight": 1, "tokens1.weight": 4, "tokens2.bias": 4}),
    Case("gmlp", _sized(Gmlp, *_TOKENS), size=4, classes={"up.weight": 2, "down.weight": 1}),
    Case("layer-norm", simple(lambda: Norms(nn.LayerNorm(8)), 4),
         classes={"stem.weight": 4, "norm.weight": 1, "norm.bias": 1, "head.weight": 2}),
    Case("layer-norm-no-affine",
         simple(lambda: Norms(nn.LayerNorm(8, elementwise_affine=False)), 4),
         classes={"stem.weight": 4}),
    Case("layer-norm-no-bias", simple(lambda: Norms(nn.LayerNorm(8, bias=False)), 4),
         classes={"norm.weight": 1}),
    Case("layer-norm-image", simple(lambda: nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.LayerNorm((4, 5, 5)), nn.ReLU(), nn.Conv2d(4, 2, 1)), 3, 5, 5),
        classes={"1.weight": 25, "0.weight": 3}),
    Case("rms-norm", simple(lambda: Norms(nn.RMSNorm(8)), 4), classes={"norm.weight": 1}),
    Case("rms-norm-by-hand", simple(lambda: Norms(RmsByHand()), 4), classes={"norm.gain": 1}),
    Case("embedding-pooling", _ids(Pooled), size=5, resized=6,
         classes={"embed.weight": 11, "head.weight": 3}),
    Case("embedding-tied", _ids(lambda: Pooled(tie=True)), size=5, resized=6,
         classes={"embed.weight": 11, "middle.weight": 1}),
    Case("embedding-bag", lambda b, s: (nn.Sequential(nn.EmbeddingBag(11, 6, mode="mean"),
         nn.Linear(6, 3)), (torch.randint(0, 11, (b, s)),), {}), size=5, resized=6),
    Case("sinusoidal-positions", _ids(Sinusoid), size=5, resized=6, classes={"head.weight": 24}),
)  # fmt: skip

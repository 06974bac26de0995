"""Small networks with the parameter graphs that they should have."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from gmn_fx.graph.model import ParameterGraph
from tests.symmetry.build import Draft


class TwoBranches(nn.Module):
    """Two hidden layers side by side with different activations."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(4, 5)
        self.c, self.d = nn.Linear(5, 3, bias=False), nn.Linear(5, 3, bias=False)

    def forward(self, x):
        return self.c(torch.relu(self.a(x))) + self.d(torch.tanh(self.b(x)))


def two_branches_graph(model: TwoBranches, histories=("relu", "tanh")) -> ParameterGraph:
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 4, pinned=True)
    y = draft.group("neuron", "linear", 3, pinned=True)
    for first, second, history in zip("ab", "cd", histories, strict=True):
        h = draft.group("neuron", "linear", 5, name=first)
        draft.linear(first, x, h, draft.group("bias", "bias", 1))
        draft.linear(second, h, y, history=history)
    return draft.build()


class Gated(nn.Module):
    """silu(a x) * (b x), as in Llama."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6, bias=False), nn.Linear(4, 6, bias=False)
        self.c = nn.Linear(6, 3, bias=False)

    def forward(self, x):
        return self.c(F.silu(self.a(x)) * self.b(x))


def gated_graph(model: Gated, *, history="silu", operands=(0, 1)) -> ParameterGraph:
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 4, pinned=True)
    a, b = draft.group("neuron", "linear", 6), draft.group("neuron", "linear", 6)
    product = draft.group("product", "mul", 6)
    y = draft.group("neuron", "linear", 3, pinned=True)
    draft.linear("a", x, a)
    draft.linear("b", x, b)
    draft.edges("operand", "mul", a, product, operand=operands[0], history=history)
    draft.edges("operand", "mul", b, product, operand=operands[1])
    draft.linear("c", product, y)
    return draft.build()


class ConvFlatten(nn.Module):
    """A convolution, flattened into a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 9, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.bn(self.conv(x))).flatten(1))


def conv_flatten_graph(model: ConvFlatten, *, offsets=True, positions=True) -> ParameterGraph:
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 2, pinned=True)
    bias = draft.group("bias", "bias", 1)
    c = draft.group("channel", "conv2d", 4, name="conv")
    n = draft.group("channel", "batch_norm", 4, name="bn")
    y = draft.group("neuron", "linear", 3, pinned=True)
    kernel = np.arange(9).reshape(3, 3) if offsets else -1
    src, dst = x[None, :, None, None], c[:, None, None, None]
    draft.edges("weight", "conv2d", src, dst, "conv.weight", label=kernel)
    draft.edges("bias", "bias", bias, c, "conv.bias")
    stats = draft.group("bias", "batch_norm", 1)
    draft.edges("gain", "batch_norm", c, n, "bn.weight")
    draft.edges("shift", "bias", bias, n, "bn.bias")
    draft.edges("running", "batch_norm", stats, n, "bn.running_mean", operand=0)
    draft.edges("running", "batch_norm", stats, n, "bn.running_var", operand=1)
    view = np.arange(3 * 36).reshape(3, 4, 9)
    label = np.arange(9) if positions else -1
    src, dst = n[None, :, None], y[:, None, None]
    draft.edges("weight", "linear", src, dst, "fc.weight", view=view, label=label, history="relu")
    draft.edges("bias", "bias", bias, y, "fc.bias")
    return draft.build()


class Residual(nn.Module):
    """Two residual blocks on one stream."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 6)
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return self.head(x)


def residual_graph(model: Residual, *, skips=True) -> ParameterGraph:
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 3, pinned=True)
    stream = draft.group("neuron", "linear", 6)
    draft.linear("stem", x, stream, draft.group("bias", "bias", 1))
    for i in range(2):
        inner = draft.group("neuron", "linear", 6)
        draft.linear(f"blocks.{i}", stream, inner, draft.group("bias", "bias", 1))
        total = draft.group("sum", "residual", 6)
        draft.edges("residual", "residual", inner, total, operand=1, history="relu")
        if skips:
            draft.edges("residual", "residual", stream, total, operand=0)
        stream = total
    y = draft.group("neuron", "linear", 2, pinned=True)
    draft.linear("head", stream, y, draft.group("bias", "bias", 1))
    return draft.build()


class Attention(nn.Module):
    """Grouped-query attention over tokens of fixed features."""

    def __init__(self, heads: int = 4, groups: int = 2, size: int = 3) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, size
        self.q = nn.Linear(5, heads * size, bias=False)
        self.k = nn.Linear(5, groups * size, bias=False)
        self.v = nn.Linear(5, groups * size, bias=False)
        self.o = nn.Linear(heads * size, 2, bias=False)

    def forward(self, x):
        def split(t):
            return t.unflatten(-1, (-1, self.size)).transpose(-3, -2)

        repeat = self.heads // self.groups
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        k, v = k.repeat_interleave(repeat, -3), v.repeat_interleave(repeat, -3)
        # Upcast as Llama does: the oracle must not lose its nine digits here.
        weights = torch.softmax(q @ k.transpose(-1, -2), -1, dtype=torch.float32).to(q.dtype)
        return self.o((weights @ v).transpose(-3, -2).flatten(-2))


def attention_graph(model: Attention, *, softmax=True) -> ParameterGraph:
    draft = Draft().slots_of(model)
    heads, groups, size = model.heads, model.groups, model.size
    x = draft.group("input", "input", 5, pinned=True)
    q = draft.group("neuron", "linear", heads * size, name="q").reshape(heads, size)
    k = draft.group("neuron", "linear", groups * size, name="k").reshape(groups, size)
    v = draft.group("neuron", "linear", groups * size, name="v").reshape(groups, size)
    for name, nodes in (("q", q), ("k", k), ("v", v)):
        draft.linear(name, x, nodes.reshape(-1))
    k, v = k.repeat(heads // groups, 0), v.repeat(heads // groups, 0)
    qk = draft.group("product", "matmul", heads * size, name="qk").reshape(heads, size)
    draft.edges("operand", "matmul", q, qk, operand=0)
    draft.edges("operand", "matmul", k, qk, operand=1)
    score = draft.group("sum", "softmax", heads, name="scores")
    draft.edges("flow", "matmul", qk, score[:, None])
    out = draft.group("product", "matmul", heads * size, name="out").reshape(heads, size)
    if softmax:
        draft.edges("operand", "matmul", score[:, None], out, operand=0, history="softmax")
    draft.edges("operand", "matmul", v, out, operand=1)
    y = draft.group("neuron", "linear", 2, pinned=True)
    draft.linear("o", out.reshape(-1), y)
    return draft.build()


class TiedLanguageModel(nn.Module):
    """One table for input and output; kept with its two names."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.mix = nn.Linear(4, 4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.table.weight

    def forward(self, ids):
        h = self.table(ids)
        return self.out(h + torch.relu(self.mix(h)))


def tied_graph(model: TiedLanguageModel, *, stream=True) -> ParameterGraph:
    draft = Draft().slots_of(model, {"table.weight": ("out.weight",)})
    words = draft.group("vocabulary", "embedding", 7, pinned=True)
    h = draft.group("channel", "embedding", 4)
    draft.edges("embedding", "embedding", words[:, None], h[None, :], "table.weight")
    inner, bias = draft.group("neuron", "linear", 4), draft.group("bias", "bias", 1)
    draft.linear("mix", h, inner, bias)
    total = draft.group("sum", "residual", 4)
    draft.edges("residual", "residual", inner, total, operand=1, history="relu")
    if stream:
        draft.edges("residual", "residual", h, total, operand=0)
    y = draft.group("neuron", "linear", 7, pinned=True)
    draft.edges("weight", "linear", total[None, :], y[:, None], "table.weight")
    return draft.build()

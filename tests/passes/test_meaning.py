"""Every rewrite pass leaves what a model computes as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gmn_fx.ir.program import Program
from gmn_fx.registry.discovery import load_registry
from gmn_fx.registry.spec import parse_spec
from tests.passes.exporter import export, targets
from tests.text.collector import check_types, show

PIPELINE = (
    "canonicalise,lower-norm,lower-attention,lower-recurrent,lower-residual,insert-bias-nodes"
)


class Call(nn.Module):
    """A module out of a function of it and its inputs."""

    def __init__(self, fn: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.fn = fn

    def forward(self, *args: Tensor) -> Any:
        return self.fn(self, *args)


def _rand(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _norms(m: Any, x: Tensor) -> Tensor:
    y = m.group(x) + m.instance(x) * m.batch(x) + m.plain(x)
    return m.rms(m.layer(y) + x)


def _recurrent(m: Any, x: Tensor) -> Any:
    out, (h, c) = m.lstm(x)
    out, state = m.gru(out)
    out, _ = m.rnn(out)
    return out, h, c, state


def _cells(m: Any, x: Tensor) -> Any:
    h, c = m.lstm(x)
    for _ in range(2):
        h, c = m.lstm(x, (h, c))
    return m.rnn(m.gru(h, c))


def _attention(m: Any, x: Tensor) -> Any:
    q, k, v = m.qkv(x).split([8, 4, 4], dim=-1)
    q, k, v = (t.unflatten(-1, (-1, 2)).transpose(1, 2) for t in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    z = F.scaled_dot_product_attention(q, q, q, attn_mask=mask, scale=0.3)
    return m.out((y + z).transpose(1, 2).flatten(2)) + x


def _conv(m: Any, x: Tensor) -> Any:
    y = m.drop(m.circular(m.even(m.same(x))))
    y = F.max_pool1d(F.pad(y, (1, 1), mode="reflect"), 2)
    return m.back(y).chunk(2, dim=1)[0], m.same(x[0])


def _writing(m: Any, x: Tensor) -> Any:
    y = torch.zeros_like(x)
    y[:, 1:] = x[:, :-1]
    y[:, 0] = m.p
    y += 1
    return torch.stack(y.unbind(-1), 0) @ m.w.T


def _arithmetic(m: Any, x: Tensor) -> Any:
    y = torch.addmm(m.b, x, m.w.t(), beta=0.5, alpha=2) + F.linear(x, m.w) + m.b
    z = 1 - torch.outer(m.b, m.b).mean() - torch.mv(y, m.b).unsqueeze(1)
    z = F.glu(torch.add(z, y, alpha=3), -1) + F.bilinear(x, x, m.k) * torch.dot(m.b, m.b)
    return z.swapaxes(0, 1).reshape(-1, 2).var(-1), torch.einsum("ij,kj->ik", z, z).amax(-1)


CASES: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
    "norms": (
        Call(
            _norms, group=nn.GroupNorm(2, 4), instance=nn.InstanceNorm1d(4, affine=True),
            batch=nn.BatchNorm1d(4), plain=nn.BatchNorm1d(4, track_running_stats=False),
            layer=nn.LayerNorm((4, 5)), rms=nn.RMSNorm(5),
        ),
        (_rand(2, 4, 5),),
    ),
    "recurrent": (
        Call(
            _recurrent, rnn=nn.RNN(6, 3, nonlinearity="relu", bias=False),
            lstm=nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True, proj_size=2),
            gru=nn.GRU(4, 3, bidirectional=True),
        ),
        (_rand(2, 5, 3),),
    ),
    "cells": (
        Call(_cells, lstm=nn.LSTMCell(3, 4), gru=nn.GRUCell(4, 4), rnn=nn.RNNCell(4, 4)),
        (_rand(2, 3),),
    ),
    "attention": (Call(_attention, qkv=nn.Linear(8, 16), out=nn.Linear(8, 8)), (_rand(2, 5, 8),)),
    "mha": (
        Call(lambda m, x: m.mha(x, x, x), mha=nn.MultiheadAttention(8, 2, batch_first=True)),
        (_rand(2, 5, 8),),
    ),
    "encoder": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True),
        (_rand(2, 5, 8),),
    ),
    "conv": (
        Call(
            _conv, same=nn.Conv1d(4, 4, 3, padding="same", dilation=2),
            even=nn.Conv1d(4, 4, 4, padding="same", groups=2), drop=nn.Dropout(),
            circular=nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"),
            back=nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1),
        ),
        (_rand(2, 4, 10),),
    ),
    "writing": (
        Call(_writing, p=nn.Parameter(torch.randn(4)), w=nn.Parameter(torch.randn(3, 5))),
        (_rand(2, 5, 4),),
    ),
    "arithmetic": (
        Call(
            _arithmetic, b=nn.Parameter(torch.randn(4)), w=nn.Parameter(torch.randn(4, 4)),
            k=nn.Parameter(torch.randn(2, 4, 4)),
        ),
        (_rand(3, 4),),
    ),
}  # fmt: skip

LEFT = {
    "norms": {"normalize"},
    "recurrent": {"recurrent"},
    "attention": {"matmul", "causal_mask", "where", "residual", "bias"},
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_stay(name: str) -> None:
    model, args = CASES[name]
    torch.manual_seed(0)
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            tensor.data.uniform_(0.2, 1.0)
    program, values = export(model, *args)
    expected = program.run(values)
    assert_equal(expected, model(*args))
    for step in parse_spec(PIPELINE, load_registry()):
        before = show(program)
        result = step.apply(program)
        assert show(program) == before
        assert result.changed == (show(result.ir) != before)
        program = result.ir
        assert not step.apply(program).changed
        check_types(program)
        assert_equal(program.run(values), expected)
    assert LEFT.get(name, set()) <= {t.split(".")[1] if "." in t else t for t in targets(program)}


def assert_equal(left: Any, right: Any) -> None:
    flat_left, flat_right = (torch.utils._pytree.tree_leaves(x) for x in (left, right))
    for a, b in zip(flat_left, flat_right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_few_spellings_are_left() -> None:
    """What reaches the lowering, of all cases together."""
    seen: set[str] = set()
    for model, args in CASES.values():
        program, _ = export(model, *args)
        for step in parse_spec(PIPELINE, load_registry()):
            program = step.apply(program).ir
        seen |= set(targets(program))
    gone = {"view", "t", "transpose", "addmm", "mm", "bmm", "clone", "split", "unbind", "stack"}
    gone |= {"layer_norm", "group_norm", "conv1d", "lstm", "gru", "lstm_cell", "chunk"}
    assert not {t.split(".")[1] for t in seen if "." in t} & gone


def test_random_ops_are_never_shared() -> None:
    model = Call(lambda m, x: torch.bernoulli(x) - torch.bernoulli(x) + torch.relu(x) - x.relu())
    program, _ = export(model, torch.rand(8))
    (step,) = parse_spec("canonicalise", load_registry())
    canonical: Program = step.apply(program).ir
    assert sum("bernoulli" in t for t in targets(canonical)) == 2
    assert sum("relu" in t for t in targets(canonical)) == 1

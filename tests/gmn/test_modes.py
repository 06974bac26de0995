"""Devices, autocast and torch.compile change nothing but the time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gmn_fx.gmn import EquivariantGMN, GMNConfig, GraphBatch, InvariantGMN, Vocabulary
from tests.gmn.nets import graphs

DEVICES = ("cpu", *(["cuda"] if torch.cuda.is_available() else []))
EXECUTORS = ("reference", "flat", "dense", "stream")
LOW = [(d, t) for d in DEVICES for t in (torch.bfloat16, torch.float16)]


def heads(executor: Any) -> tuple[InvariantGMN, EquivariantGMN, GraphBatch]:
    several = graphs("cnn", 3)
    torch.manual_seed(0)
    config, vocabulary = GMNConfig(hidden=8, layers=3), Vocabulary.fit(several)
    invariant = InvariantGMN(config, vocabulary, 2, executor=executor).eval()
    return invariant, EquivariantGMN(config, vocabulary, executor=executor), GraphBatch.of(several)


def outcome(invariant: Any, equivariant: Any, batch: GraphBatch) -> dict[str, Tensor]:
    """Outputs of both heads and the gradients of their weights."""
    out = {"invariant": invariant(batch)}
    out |= {f"update {i}": v for i, v in enumerate(equivariant(batch).values)}
    loss = sum(
        ((t.float() + 1).square().sum() for t in out.values()), torch.zeros(()).to(batch.values[0])
    )
    loss.backward()
    for head in (invariant, equivariant):
        for name, p in head.named_parameters():
            if p.grad is not None:
                out[f"{type(head).__name__}.{name}"] = p.grad
    return {name: t.detach().float().cpu() for name, t in out.items()}


def worst(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    return max(
        float((t - right[n]).norm() / (t.norm() + 1e-6)) for n, t in left.items() if n in right
    )


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("device", "dtype"), LOW, ids=str)
def test_autocast_keeps_the_sums(device: str, dtype: torch.dtype, executor: Any) -> None:
    invariant, equivariant, batch = heads(executor)
    truth = outcome(invariant, equivariant, batch)
    for head in (invariant, equivariant):
        head.zero_grad()
        head.to(device)
    with torch.autocast(device, dtype):
        found = outcome(invariant, equivariant, batch.to(device))
        assert invariant(batch.to(device)).dtype == dtype
    assert worst(truth, found) < 0.02
    updates = {n: t for n, t in truth.items() if n.startswith("update")}
    assert worst(updates, found) < 1e-5


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("device", DEVICES)
def test_a_metanet_moves_with_its_graphs(device: str, executor: Any) -> None:
    invariant, equivariant, batch = heads(executor)
    truth = outcome(invariant, equivariant, batch)
    for head in (invariant, equivariant):
        head.zero_grad()
        head.to(device)
    assert worst(truth, outcome(invariant, equivariant, batch.to(device))) < 1e-4


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_compiled_heads_give_the_same(executor: Any, backend: str) -> None:
    invariant, equivariant, batch = heads(executor)
    truth = outcome(invariant, equivariant, batch)
    for head in (invariant, equivariant):
        head.zero_grad()
    torch._dynamo.reset()
    compiled = [torch.compile(h, backend=backend) for h in (invariant, equivariant)]
    out = {"invariant": compiled[0](batch)}
    out |= {f"update {i}": v for i, v in enumerate(compiled[1](batch).values)}
    assert worst(truth, {n: t.detach() for n, t in out.items()}) < 1e-5
    sum((t.square().sum() for t in out.values()), torch.zeros(())).backward()
    assert all(p.grad is not None for p in invariant.head.parameters())

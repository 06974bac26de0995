"""Graphs in batches of torch's own loader, and steps of a learned optimiser."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader

import gmn_fx
from gmn_fx.errors import UsageError
from gmn_fx.gmn import (
    Buckets,
    EquivariantGMN,
    GMNConfig,
    GraphBatch,
    InvariantGMN,
    Vocabulary,
    collate,
)
from tests.gmn.nets import graphs


def mixed() -> list[tuple[Any, Tensor]]:
    several = [*graphs("inr", 4), *graphs("cnn", 3)]
    order = [0, 4, 1, 5, 2, 6, 3]
    return [(several[i], torch.tensor([float(i)])) for i in order]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_buckets_in_order(workers: int) -> None:
    items = mixed()
    model = InvariantGMN(
        GMNConfig(hidden=4, layers=2), Vocabulary.fit([g for g, _ in items]), 1
    ).eval()
    loader = DataLoader(items, batch_size=5, num_workers=workers, collate_fn=collate)  # type: ignore[arg-type]
    rows, targets = [], []
    for found, target in loader:
        assert isinstance(found, Buckets)
        assert len(found.to("cpu")) == len(target)
        rows.append(model(found))
        targets.append(target)
    assert torch.equal(torch.cat(targets), torch.stack([t for _, t in items]))
    one_by_one = torch.cat([model(g) for g, _ in items])
    assert torch.allclose(torch.cat(rows), one_by_one, atol=1e-6)
    assert isinstance(collate([g for g, _ in items]), Buckets)


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(UsageError, match="collate got Tensor"):
        collate([torch.zeros(2)])
    with pytest.raises(UsageError, match="collate got nothing"):
        collate([])


@pytest.mark.parametrize("executor", ["reference", "flat", "dense", "stream"])
def test_gradients_flow_through_two_steps(executor: Any) -> None:
    """The second step reads the weights that the first one wrote."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    x = torch.randn(8, 2, dtype=torch.float64)
    graph = gmn_fx.extract(net, (x,))

    def unrolled(executor: Any) -> dict[str, Tensor]:
        torch.manual_seed(1)
        model = EquivariantGMN(
            GMNConfig(hidden=6, layers=2), Vocabulary.fit([graph]), executor=executor
        ).double()
        state = model(graph).state_dicts()[0]
        state = model(GraphBatch.bind([graph], [state])).state_dicts()[0]
        functional_call(net, state, (x,)).square().mean().backward()
        return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}

    truth, found = unrolled("reference"), unrolled(executor)
    assert truth.keys() == found.keys()
    for name, grad in truth.items():
        assert torch.allclose(grad, found[name], rtol=1e-9, atol=1e-12), name
    assert max(float(g.abs().max()) for g in truth.values()) > 1e-4

"""float32 on a million edges, beside the float64 truth."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import gmn_fx
from gmn_fx.gmn import GMN, GMNConfig, GraphBatch, States, Vocabulary

EXECUTORS = ("reference", "flat", "dense", "stream")


@pytest.fixture(scope="module")
def case() -> tuple[GMN, nn.Linear, GraphBatch, States]:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(64, 980), nn.ReLU(), nn.Linear(980, 980), nn.ReLU(), nn.Linear(980, 10)
    )
    graph = gmn_fx.extract(net)
    assert graph.num_edges > 1e6
    batch = GraphBatch.of([graph])
    metanet = GMN(GMNConfig(hidden=8, layers=3), Vocabulary.fit([graph]), executor="stream")
    readout = nn.Linear(8, 1)
    with torch.no_grad():
        truth = metanet.double().states(batch.cast(torch.float64), readout.double())
    return metanet.float(), readout.float(), batch, truth


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_million_edges_in_single_precision(case: Any, executor: Any) -> None:
    metanet, readout, batch, truth = case
    metanet.executor = executor
    with torch.no_grad():
        found = metanet.states(batch, readout)
    for name in ("nodes", "whole", "edges"):
        right, close = getattr(truth, name), getattr(found, name).double()
        assert float((close - right).abs().max() / right.abs().max()) < 1e-5, name


@pytest.mark.parametrize("executor", ["flat", "dense", "stream"])
def test_a_node_with_many_edges_loses_no_digits(executor: Any) -> None:
    """Added one by one, the messages at the output and at the bias nodes would lose three."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 200_000), nn.ReLU(), nn.Linear(200_000, 1))
    graph = gmn_fx.extract(net)
    batch = GraphBatch.of([graph])
    metanet = GMN(GMNConfig(hidden=8, layers=2), Vocabulary.fit([graph]), executor="stream")
    with torch.no_grad():
        truth = metanet.double().states(batch.cast(torch.float64)).nodes
        metanet.executor = executor
        found = metanet.float().states(batch).nodes.double()
    assert float((found - truth).abs().max() / truth.abs().max()) < 2e-6

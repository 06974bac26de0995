"""Graph metanets run on the paper's graphs, on every executor alike."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gmn_fx
from gmn_fx.gmn import GraphBatch
from tests.gmn.nets import randomised
from tests.gmn.test_executors import metanet, run, worst
from tests.paper.families import DeepSets, ViT, resnet

NETS = {
    "vit": lambda: ViT(width=8, layers=1),
    "module": lambda: ViT(width=8, layers=1, how="module"),
    "resnet": lambda: resnet(hidden=4),
    "deepsets": lambda: DeepSets(hidden=4),
}


def graphs(name: str) -> GraphBatch:
    torch.manual_seed(0)
    model: nn.Module = NETS[name]().eval()
    first = gmn_fx.extract(model, (torch.randn(2, 3, 8, 8),), style="paper")
    return GraphBatch.of([randomised(first, seed) for seed in range(2)]).cast(torch.float64)


@pytest.mark.parametrize("name", NETS)
def test_all_executors_agree(name: str) -> None:
    batch = graphs(name)
    net, readout = metanet(batch.structure, directions="both")
    truth = run(net, readout, batch, "reference")
    for executor in ("flat", "dense", "stream"):
        assert worst(truth, run(net, readout, batch, executor)) < 1e-10, executor


class Attended(nn.Module):
    """Self-attention with one head."""

    def __init__(self) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(4, 1, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mha(x, x, x, need_weights=False)[0]


def test_a_metanet_cannot_tell_queries_from_values() -> None:
    """What a graph network is blind to (docs/paper-style.md)."""
    model, x = Attended(), torch.randn(2, 3, 4)
    for style, told in (("paper", False), ("exact", True)):
        graph = randomised(gmn_fx.extract(model, (x,), style=style), 0)
        whole = graph.values["mha.in_proj_weight"]
        swapped = {"mha.in_proj_weight": torch.cat([whole[8:], whole[4:8], whole[:4]])}
        other = graph.bind({**graph.values, **swapped})
        pair = GraphBatch.of([graph, other]).cast(torch.float64)
        net, readout = metanet(pair.structure)
        state = run(net, readout, pair, "reference")["whole"]
        gap = float((state[0] - state[1]).abs().max() / state.abs().max())
        assert gap > 1e-8 if told else gap < 1e-12, style

"""One function, four executors: outputs and all gradients agree in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmn_fx.errors import GraphError, UsageError
from gmn_fx.gmn import GMN, GMNConfig, GraphBatch, Vocabulary
from tests.gmn.nets import FAMILIES, MAKERS, batch, family, graphs
from tests.gmn.pairwise import OPTIONS, pairwise, spelled

# The options that change what is computed; every other network takes every other setting.
SETTINGS = pairwise({n: v for n, v in OPTIONS.items() if n not in ("dropout", "unseen")})


class SmallBlocks(GMN):
    """Blocks of at most about a hundred edges: every cut is made."""

    @property
    def _limit(self) -> int:
        return 100


def metanet(graph: Any, layers: int = 3, **options: Any) -> tuple[GMN, nn.Linear]:
    torch.manual_seed(1)
    config = GMNConfig(hidden=6, layers=layers, **options)
    return SmallBlocks(config, Vocabulary.fit([graph])).double(), nn.Linear(6, 2).double()


def run(net: GMN, readout: nn.Linear, graphs: GraphBatch, executor: Any) -> dict[str, Tensor]:
    """Outputs, and the gradients of all weights and of the values of the input networks."""
    net.executor = executor
    net.zero_grad()
    readout.zero_grad()
    leaves = tuple(v.detach().clone().requires_grad_(v.is_floating_point()) for v in graphs.values)
    states = net.states(GraphBatch(graphs.graphs, leaves), readout)
    out = {"nodes": states.nodes, "edges": states.edges}
    if states.whole is not None:
        out["whole"] = states.whole
    generator = torch.Generator().manual_seed(5)
    loss = torch.zeros((), dtype=torch.float64)
    for name in sorted(out):
        weight = torch.randn(out[name].shape, generator=generator, dtype=torch.float64)
        loss = loss + (out[name] * weight).sum()
    loss.backward()
    out = {name: t.detach() for name, t in out.items()}
    for prefix, module in (("net", net), ("readout", readout)):
        for name, p in module.named_parameters():
            out[f"grad {prefix}.{name}"] = torch.zeros_like(p) if p.grad is None else p.grad.clone()
    for i, leaf in enumerate(leaves):
        if leaf.requires_grad:
            out[f"grad value {i}"] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return out


def worst(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    assert left.keys() == right.keys()
    return max(float((left[k] - right[k]).abs().max() / (left[k].abs().max() + 1e-9)) for k in left)


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("number", range(len(SETTINGS)), ids=lambda n: spelled(SETTINGS[n]))
def test_all_executors_agree(number: int, turn: int) -> None:
    options = SETTINGS[number]
    graphs = batch(list(MAKERS)[(number + 2 * turn) % len(MAKERS)])
    net, readout = metanet(graphs.structure, **options)
    truth = run(net, readout, graphs, "reference")
    for executor in ("flat", "dense", "stream"):
        assert worst(truth, run(net, readout, graphs, executor)) < 1e-10, executor


@pytest.mark.parametrize("name", FAMILIES)
def test_all_families_agree(name: str) -> None:
    graphs = GraphBatch.of([family(name)]).cast(torch.float64)
    net, readout = metanet(graphs.structure)
    truth = run(net, readout, graphs, "reference")
    for executor in ("flat", "dense", "stream"):
        assert worst(truth, run(net, readout, graphs, executor)) < 1e-10, executor


def test_the_comparison_can_fail() -> None:
    graphs = batch("inr")
    net, readout = metanet(graphs.structure)
    truth = run(net, readout, graphs, "reference")
    with torch.no_grad():
        net.layers[1].edge_out.bias += 1e-6
    assert worst(truth, run(net, readout, graphs, "dense")) > 1e-9


@pytest.mark.parametrize("executor", ["flat", "dense", "stream"])
def test_single_precision_is_close_to_the_truth(executor: Any) -> None:
    graphs = batch("cnn")
    net, readout = metanet(graphs.structure)
    truth = run(net, readout, graphs, "reference")
    single = run(net.float(), readout.float(), graphs.cast(torch.float32), executor)
    for name in ("nodes", "whole", "edges"):
        gap = (single[name].double() - truth[name]).abs().max() / truth[name].abs().max()
        assert gap < 1e-5


def test_a_batch_is_its_networks_one_by_one() -> None:
    graphs = batch("inr")
    net, readout = metanet(graphs.structure)
    for executor in ("reference", "flat", "dense", "stream"):
        whole = run(net, readout, graphs, executor)
        for i in range(len(graphs)):
            one = GraphBatch(graphs.graphs[i : i + 1], tuple(v[i : i + 1] for v in graphs.values))
            alone = run(net, readout, one, executor)
            assert torch.allclose(whole["nodes"][i], alone["nodes"][0], atol=1e-12)
            assert torch.allclose(whole["edges"][i], alone["edges"][0], atol=1e-12)


def test_auto_says_why() -> None:
    graphs = batch("inr")
    net, _ = metanet(graphs.structure)
    net.executor = "auto"
    assert net.explain(graphs).startswith("reference: ")
    with torch.no_grad():
        assert net.explain(graphs).startswith("flat: ")
    net.memory = 1
    assert net.choice(GraphBatch.of(graphs.graphs * 200)).executor == "stream"
    net.memory = 2**33
    assert net.choice(GraphBatch.of(graphs.graphs * 200)).executor == "dense"


def test_edge_lists_of_a_loader() -> None:
    from torch_geometric.loader import DataLoader

    several = graphs("inr", 4)
    net, _ = metanet(several[0])
    net.executor = "dense"
    stacked = net.states(GraphBatch.of(several).cast(torch.float64))
    data = next(iter(DataLoader([g.to_pyg() for g in several], batch_size=4)))
    for executor in ("reference", "flat", "auto"):
        net.executor = executor
        states = net.states(data)
        assert torch.allclose(states.nodes, stacked.nodes.flatten(0, 1), atol=1e-10)
        assert torch.allclose(states.whole, stacked.whole, atol=1e-10)


def test_unusable_input_is_refused() -> None:
    graph = graphs("inr")[0]
    net, _ = metanet(graph)
    net.executor = "dense"
    with pytest.raises(UsageError, match="edge list"):
        net.states(graph.to_pyg())
    net.executor = "auto"
    with pytest.raises(GraphError, match="edge_type has shape"):
        net.states(graph.to_pyg(reverse=True))
    bare = graph.to_pyg()
    del bare.edge_value
    with pytest.raises(GraphError, match="no field 'edge_value'"):
        net.states(bare)
    net.executor = "fast"
    with pytest.raises(UsageError, match="'fast' is unknown"):
        net.states(GraphBatch.of([graph]))
    with pytest.raises(GraphError, match="several architectures"):
        GraphBatch.of([graph, graphs("cnn")[0]])
    with pytest.raises(UsageError, match="at least one"):
        GraphBatch.of([])


def test_an_unseen_category_is_an_error_or_other() -> None:
    graph = graphs("inr")[0]
    net = GMN(GMNConfig(hidden=4, layers=1), Vocabulary.fit([graph]))
    other = GraphBatch.of([graphs("gru")[0]])
    for executor in ("reference", "dense"):
        net.executor = executor
        with pytest.raises(GraphError, match="has never seen"):
            net.states(other)
    lenient = GMN(GMNConfig(hidden=4, layers=1, unseen="other"), Vocabulary.fit([graph]))
    assert torch.isfinite(lenient.states(other).nodes).all()

"""One round as a layer for other PyG models."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmn_fx.errors import UsageError
from gmn_fx.gmn import GMN, GMNConfig, GMNConv, GraphBatch, Vocabulary
from gmn_fx.gmn.flatgraph import FlatGraph
from tests.gmn.nets import graphs

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"directions": "forward", "global_state": False, "norm": "inside", "activation": "silu"},
    {"aggregation": "sum", "residual": False, "norm": "none", "edge_activation": "tanh"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o)) or "default")
def test_a_stack_of_layers_is_the_metanet(options: dict[str, Any]) -> None:
    from torch_geometric.data import Batch

    several = graphs("cnn", 3)
    torch.manual_seed(0)
    config = GMNConfig(hidden=6, layers=3, **options)
    net = GMN(config, Vocabulary.fit(several), executor="reference").double()
    data = Batch.from_data_list([g.to_pyg() for g in several])
    truth = net.states(data)
    graph = FlatGraph.of(data, config, net.encoder)
    x = graph.nodes(net.encoder)
    e = graph.on_edges(net.encoder.edges(graph.edge_type)) + net.encoder.value(graph.features)
    u = None if net.encoder.start is None else net.encoder.start.expand(3, -1)
    for layer in net.layers:
        conv = GMNConv(6, **options)
        conv.layer = layer  # type: ignore[assignment]
        x, e, u = conv(x, data.edge_index, e, u, data.batch)
    assert torch.allclose(x, truth.nodes, atol=1e-10)
    assert (u is None) == (truth.whole is None)
    if u is not None:
        assert truth.whole is not None
        assert torch.allclose(u, truth.whole, atol=1e-10)


def test_it_is_equivariant() -> None:
    torch.manual_seed(0)
    conv = GMNConv(8, global_state=False).double()
    x, e = torch.randn(7, 8).double(), torch.randn(20, 8).double()
    edge_index = torch.randint(0, 7, (2, 20))
    nodes, edges, _ = conv(x, edge_index, e)
    order, back = torch.randperm(7), torch.empty(7, dtype=torch.long)
    back[order] = torch.arange(7)
    turned, same, _ = conv(x[order], back[edge_index], e)
    assert torch.allclose(turned, nodes[order], atol=1e-12)
    assert torch.allclose(same, edges, atol=1e-12)
    other, _, _ = conv(x[order], edge_index, e)
    assert not torch.allclose(other, nodes[order], atol=1e-6)


def test_wrong_input_is_refused() -> None:
    conv = GMNConv(8)
    x, index, e = torch.randn(3, 8), torch.tensor([[0, 1], [1, 2]]), torch.randn(2, 8)
    with pytest.raises(UsageError, match="u is missing"):
        conv(x, index, e)
    with pytest.raises(UsageError, match="edge_attr has width 5"):
        conv(x, index, torch.randn(2, 5), torch.zeros(1, 8))
    with pytest.raises(UsageError, match="fan_in"):
        GMNConv(8, aggregation="fan_in")


def test_a_plan_serves_copies_of_its_architecture() -> None:
    import pickle

    graph = graphs("inr")[0]
    net = GMN(GMNConfig(hidden=4, layers=1), Vocabulary.fit([graph]))
    copy = pickle.loads(pickle.dumps(graph))
    assert net.plan(graph) is net.plan(copy)
    assert net.plan(graph) is not net.plan(graphs("cnn")[0])
    states = [net.states(GraphBatch.of([g])).nodes for g in (graph, copy)]
    assert torch.equal(*states)

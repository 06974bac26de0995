from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from gmn_fx.errors import UsageError
from gmn_fx.graph.arrays import materialise


def test_pyg_is_the_public_contract(any_graph, bind_random):
    graph = bind_random(any_graph)
    data, arrays = graph.to_pyg(), materialise(graph)
    assert data.num_nodes == graph.num_nodes
    assert sorted(data.keys()) == [
        "edge_index", "edge_param", "edge_type", "edge_value", "num_nodes", "x"
    ]  # fmt: skip
    for name in ("x", "edge_index", "edge_type", "edge_param", "edge_value"):
        assert torch.equal(data[name], getattr(arrays, name))
    assert data.x.shape == (graph.num_nodes, len(graph.schema.node_columns))
    assert data.edge_type.shape == (graph.num_edges, len(graph.schema.edge_columns))
    assert data.validate()
    flat = torch.cat([v.reshape(-1) for v in graph.to_state_dict().values()])
    on = data.edge_param >= 0
    if graph.name != "conv":  # whose aliases are in the state_dict twice
        assert torch.equal(data.edge_value[on], flat[data.edge_param[on]])
    assert torch.equal(data.edge_value[~on], torch.ones(int((~on).sum())))


def test_pyg_without_values(mlp):
    assert "edge_value" not in mlp.to_pyg()


def test_pyg_options(mlp, bind_random):
    data = bind_random(mlp).to_pyg(index_dtype=torch.int32, reverse=True)
    assert data.edge_index.dtype == torch.int32
    assert data.edge_index.shape == (2, 26)
    assert data.edge_type[:, -1].tolist() == [0] * 13 + [1] * 13
    with pytest.raises(UsageError, match="float32"):
        mlp.to_pyg(index_dtype=torch.float32)


def test_pyg_batches(mlp, bind_random):
    from torch_geometric.data import Batch

    batch = Batch.from_data_list([bind_random(mlp, i).to_pyg() for i in range(3)])
    assert batch.num_nodes == 24
    assert batch.edge_type.shape == (39, 6)
    assert int(batch.edge_index.max()) == 23


def test_networkx(mlp, bind_random):
    graph = bind_random(mlp)
    nx = graph.to_networkx()
    assert nx.number_of_nodes() == 8
    assert nx.number_of_edges() == 13
    assert nx.nodes[0] == {
        "kind": "input", "op": "input", "depth": -1, "label": 0, "pin": 0, "name": "x",
        "source": "",
    }  # fmt: skip
    value = graph.values["2.weight"][0, 1].item()
    assert nx.edges[4, 7, 10] == {
        "kind": "weight", "op": "linear", "depth": 2, "label": -1, "operand": -1,
        "history": "relu", "param": "2.weight", "index": (0, 1), "value": value,
    }  # fmt: skip
    assert all(type(n) is int for n in nx.nodes)


def test_networkx_keeps_parallel_and_parameter_free_edges(conv):
    nx = conv.to_networkx()
    assert nx.number_of_edges() == conv.num_edges
    assert nx.number_of_edges(0, 2) == 4
    flow = [d for _, _, d in nx.edges(data=True) if d["kind"] == "flow"]
    assert flow
    assert all("param" not in d and "value" not in d for d in flow)


def test_nothing_heavy_is_imported():
    code = (
        "import gmn_fx.graph, gmn_fx.graph.convert, gmn_fx.graph.files, gmn_fx.graph.text, sys;"
        "heavy = {'torch_geometric', 'networkx', 'graphviz'};"
        "bad = heavy & {m.split('.')[0] for m in sys.modules};"
        "print(sorted(bad))"
    )
    before = "import torch, sys; print(sorted({'networkx'} & set(sys.modules)))"
    run = [
        subprocess.run([sys.executable, "-c", c], capture_output=True, text=True, check=True).stdout
        for c in (code, before)
    ]
    assert run[0] == run[1]

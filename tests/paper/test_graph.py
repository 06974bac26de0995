"""A paper graph as a graph: its mark, its text and file, its verification, its style by name."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import gmn_fx
from gmn_fx.errors import GraphError, UsageError
from gmn_fx.graph.model import PARALLEL, ParameterGraph
from tests.paper.test_construction import paper, self_attention
from tests.rules.helpers import rand


def test_text_and_file_keep_the_style(tmp_path: Path) -> None:
    graph = paper(self_attention(), rand(2, 5, 6))
    back = ParameterGraph.parse(graph.to_text())
    assert back == replace(graph, values={})
    back.verify()
    graph.save(tmp_path / "graph.pt", dense=True)
    loaded = gmn_fx.load(tmp_path / "graph.pt")
    assert loaded == graph
    loaded.verify(level="values")
    assert (loaded.meta["style"], PARALLEL in loaded.established) == ("paper", True)


def test_parallel_edges_are_waived_and_nothing_else() -> None:
    graph = paper(self_attention(), rand(2, 5, 6))
    with pytest.raises(GraphError, match="P7: duplicate edges"):
        replace(graph, established=graph.established - {PARALLEL}).verify()
    with pytest.raises(GraphError, match="P1"):
        replace(graph, bundles=graph.bundles[1:]).verify()
    lost = replace(graph.groups[-1], start=graph.num_nodes)
    with pytest.raises(GraphError, match=r"P7: .* dangles"):
        replace(graph, groups=(*graph.groups, lost)).verify()


def test_an_exact_graph_is_not_marked() -> None:
    graph = gmn_fx.extract(nn.Linear(3, 2), (rand(2, 3),), style="exact")
    assert "style" not in graph.meta
    assert PARALLEL not in graph.established
    assert graph == gmn_fx.extract(nn.Linear(3, 2).requires_grad_(True), (rand(2, 3),)).bind(
        dict(graph.values)
    )


def test_a_style_is_any_pipeline_by_name() -> None:
    plugin = gmn_fx.Plugin("acme")
    plugin.pipelines["flat"] = "paper,number-layers"
    model, x = nn.Linear(3, 2), rand(2, 3)
    own = gmn_fx.extract(model, (x,), style="flat", plugins=[plugin])
    assert own == gmn_fx.extract(model, (x,), style="paper")
    assert own == gmn_fx.extract(model, (x,), passes="paper")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "exakt"}, r"unknown style 'exakt' \(near: exact\)"),
        ({"style": "nothing like it"}, r"unknown style 'nothing like it'\n"),
        ({"style": "canonicalise"}, "unknown style"),
        ({"style": "paper", "passes": "exact"}, "both given"),
        ({"style": "exact", "passes": ()}, "both given"),
    ],
)
def test_wrong_styles_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        gmn_fx.extract(nn.Linear(3, 2), (rand(2, 3),), **options)
    assert "paper" in caught.value.hint or "leave out" in caught.value.hint


def test_pictures_and_arrays_are_made(tmp_path: Path) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    graph = paper(layer, rand(2, 3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for view in ("architecture", "neuron"):
            assert "->" in gmn_fx.draw(graph, tmp_path / f"{view}.dot", view=view)
    data = graph.to_pyg()
    assert data.edge_index.shape == (2, graph.num_edges)
    assert data.edge_param.ge(0).sum() == sum(p.numel() for p in layer.parameters())

"""The data of the explorer's page; the page itself is tested in a browser (tests/browser)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import gmn_fx
from gmn_fx.drawing import draw
from gmn_fx.drawing.explorer import explorer_html
from gmn_fx.drawing.explorer.data import explorer_data
from tests.drawing.graphs import mlp, residual_net, transformer
from tests.drawing.test_hostile import HOSTILE, poisoned


def column(data, name, dtype="<i4"):
    return np.frombuffer(base64.b64decode(data["edges"][name]), dtype=dtype)


def test_all_edges_of_a_small_graph_with_their_values():
    graph = residual_net()
    data = explorer_data(graph, None, 10**6)
    maps = [(b.src, b.dst) for b in graph.bundles]
    shapes = [b.shape for b in graph.bundles]
    for k, name in enumerate(("src", "dst")):
        wanted = [m[k].expand(s).array().reshape(-1) for m, s in zip(maps, shapes, strict=True)]
        assert column(data, name).tolist() == np.concatenate(wanted).tolist()
    values = column(data, "value", "<f4")
    free = np.repeat([b.slot is None for b in graph.bundles], data["edges"]["count"])
    assert np.isnan(values[free]).all()
    assert np.allclose(values[~free], graph.edge_values().numpy()[~free])
    assert data["notes"] == ["orbits were not computed: the graph is too large"]


def test_of_many_edges_the_strongest_of_each_bundle():
    graph = mlp((20, 30, 5))
    data = explorer_data(graph, None, 100)
    assert data["embedded"] <= 100
    count = data["edges"]["count"]
    # The biases are few, so all of them are there; the weights share the rest.
    assert (count[1], count[3]) == (30, 5)
    assert count[0] == count[2] > 20
    values = np.abs(column(data, "value", "<f4")[: count[0]])
    weight = np.sort(graph.values["fc1.weight"].abs().reshape(-1).numpy())
    assert np.allclose(np.sort(values), weight[-count[0] :])
    assert f"{data['embedded']} of 785 edges are in this file: the strongest" in data["notes"][0]


def test_a_hundred_million_edges_make_a_small_page():
    page = explorer_html(transformer())
    assert len(page) < 7_000_000
    assert "of 163,149,312 edges are in this file" in page


def test_size_is_in_proportion():
    small, large = (len(explorer_html(mlp((n, n, 5)))) for n in (40, 160))
    edges = [mlp((n, n, 5)).num_edges for n in (40, 160)]
    assert (large - small) / (edges[1] - edges[0]) < 30


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_can_neither_end_nor_begin_an_element(name):
    page = explorer_html(poisoned(name))
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    data = re.search(r'id="graph">(.*?)</script>', page, re.DOTALL)[1]
    assert not set("<>&") & set(data)
    assert len(json.loads(data)["groups"]) == 5


def test_the_policy_allows_only_what_is_there():
    page = explorer_html(mlp())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r'\s(on\w+|style)="', page)
    assert not re.search(r"https?://", page)


def test_draw_writes_the_page_with_orbits(tmp_path):
    graph = gmn_fx.extract(
        torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)),
        args=(torch.ones(1, 2),),
    )
    text = gmn_fx.draw(graph, tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == text
    data = json.loads(re.search(r'id="graph">(.*?)</script>', text, re.DOTALL)[1])
    orbits = np.frombuffer(base64.b64decode(data["orbits"]), dtype="<i4")
    hidden = next(g for g in graph.groups if g.size == 5)
    assert len(set(orbits[hidden.start : hidden.start + 5].tolist())) == 1
    assert len(set(orbits.tolist())) == graph.num_nodes - 4


@pytest.mark.parametrize(("view", "start"), [("neuron", "open"), ("architecture", "closed")])
def test_the_view_chooses_how_the_page_opens(view, start, tmp_path):
    assert f'"start":"{start}"' in draw(mlp(), tmp_path / "x.html", view=view)


def test_structure_only_and_odd_dtypes():
    assert not explorer_data(mlp(values=False), None, 1000)["valued"]
    graph = mlp((2, 1))
    for dtype in (torch.bfloat16, torch.complex64, torch.int64):
        values = {n: torch.ones(v.shape).to(dtype) for n, v in graph.values.items()}
        data = explorer_data(replace(graph, values=values), None, 1000)
        assert column(data, "value", "<f4").tolist() == [1.0] * 3

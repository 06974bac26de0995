"""The data of the explorer's page; the page itself is tested in a browser (tests/browser)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import torch

import gmn_fx
from gmn_fx.drawing import draw, palette
from gmn_fx.drawing.explorer import embedded, explorer_html
from gmn_fx.drawing.explorer.data import explorer_data, pack
from gmn_fx.drawing.explorer.numbers import narrowed, value_numbers
from gmn_fx.drawing.values import read
from gmn_fx.graph.indexmap import IndexMap
from tests.drawing.graphs import mlp, residual_net, transformer
from tests.drawing.test_hostile import HOSTILE, poisoned


def unpack(packed):
    return np.frombuffer(base64.b64decode(packed[1]), dtype=f"<{packed[0]}")


def column(data, name):
    return unpack(data["edges"][name])


def test_all_edges_of_a_small_graph_with_their_values():
    graph = residual_net()
    data = explorer_data(graph, None, 10**6)
    maps = [(b.src, b.dst) for b in graph.bundles]
    shapes = [b.shape for b in graph.bundles]
    for k, name in enumerate(("src", "dst")):
        wanted = [m[k].expand(s).array().reshape(-1) for m, s in zip(maps, shapes, strict=True)]
        assert column(data, name).tolist() == np.concatenate(wanted).tolist()
    values = column(data, "value")
    free = np.repeat([b.slot is None for b in graph.bundles], data["edges"]["count"])
    assert np.isnan(values[free]).all()
    assert np.allclose(values[~free], graph.edge_values().numpy()[~free])
    assert data["notes"] == ["orbits (which neurons may be exchanged) were not computed"]


def test_of_many_edges_the_strongest_of_each_bundle():
    graph = mlp((20, 30, 5))
    data = explorer_data(graph, None, 100)
    assert data["embedded"] <= 100
    count = data["edges"]["count"]
    # The biases are few, so all of them are there; the weights share the rest.
    assert (count[1], count[3]) == (30, 5)
    assert (count[0], count[2]) == (33, 32)
    values = np.abs(column(data, "value")[: count[0]])
    weight = np.sort(graph.values["fc1.weight"].abs().reshape(-1).numpy())
    assert np.allclose(np.sort(values), weight[-count[0] :])
    assert f"{data['embedded']} of 785 edges are in this file: the strongest" in data["notes"][0]


def test_a_hundred_million_edges_make_a_small_page():
    page = explorer_html(transformer())
    assert len(page) < 4_000_000
    assert "of 163,149,312 edges are in this file" in page


def test_size_is_in_proportion():
    small, large = (len(explorer_html(mlp((n, n, 5)))) for n in (40, 160))
    edges = [mlp((n, n, 5)).num_edges for n in (40, 160)]
    assert (large - small) / (edges[1] - edges[0]) < 20


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
    orbits = unpack(data["orbits"])
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
        assert column(data, "value").tolist() == [1.0] * 3


# ---- which edges


def everything_of(graph):
    """(value, source, destination, element) of every edge of each bundle."""
    out = []
    for bundle in graph.bundles:
        maps = (bundle.src, bundle.dst, bundle.view)
        src, dst, at = (m.expand(bundle.shape).array().reshape(-1).tolist() for m in maps)
        flat = graph.values[bundle.slot].reshape(-1)
        out.append(
            sorted(zip(flat[at].tolist(), src, dst, at, strict=True), key=lambda e: -abs(e[0]))
        )
    return out


@pytest.mark.parametrize("block", [7, 100, 1 << 22])
def test_the_strongest_are_found_block_by_block(block, monkeypatch):
    monkeypatch.setattr(embedded, "BLOCK", block)
    graph = mlp((20, 30, 5))
    # A transposed view takes the way that follows an index map.
    weight = graph.bundles[0]
    turned = replace(weight, view=IndexMap(weight.shape, 0, (1, 30)))
    for bundles in (graph.bundles, (turned, *graph.bundles[1:])):
        changed = replace(graph, bundles=bundles)
        everywhere = np.ones(graph.num_nodes, dtype=bool)
        found = embedded.embedded_edges(changed, value_numbers(changed), everywhere, 100)
        for got, wanted in zip(found, everything_of(changed), strict=True):
            edges = got.edges
            rows = zip(got.values, edges.src, edges.dst, edges.element, strict=True)
            rows = sorted(rows, key=lambda e: -abs(e[0]))
            assert [tuple(map(float, r)) for r in rows] == [
                pytest.approx(w) for w in wanted[: len(rows)]
            ]


def test_what_is_not_a_number_is_never_left_out():
    graph = mlp((20, 30, 5))
    weight = graph.values["fc1.weight"].clone()
    weight[3, 4] = torch.nan
    weight[5, 6] = -torch.inf
    graph = replace(graph, values={**graph.values, "fc1.weight": weight})
    values = column(explorer_data(graph, None, 60), "value")
    assert np.isnan(values).sum() == 1
    assert np.isneginf(values).sum() == 1


def test_elements_are_read_without_a_copy_of_the_rest():
    dense = torch.arange(24.0).reshape(4, 6)
    places = np.array([23, 0, 7])
    for tensor in (dense, dense.T.contiguous().T, torch.arange(48.0).reshape(4, 12)[:, ::2] / 2):
        assert read(tensor, slice(5, 9)).tolist() == [5, 6, 7, 8]
        assert read(tensor, places).tolist() == [23, 0, 7]
    assert read(torch.tensor(3.0), slice(0, 1)).tolist() == [3]
    assert read(torch.tensor([1 + 2j]).conj(), slice(0, 1)).numpy().tolist() == [1 - 2j]


def test_float32_neither_overflows_nor_vanishes():
    odd = [1e300, -1e300, 1e-300, -1e-300, 0.0, torch.inf, -torch.inf, torch.nan]
    found = narrowed(torch.tensor(odd, dtype=torch.float64))
    largest, least = torch.finfo(torch.float32).max, torch.finfo(torch.float32).smallest_normal
    assert found[:7].tolist() == [largest, -largest, least, -least, 0, np.inf, -np.inf]
    assert np.isnan(found[7])
    assert narrowed(torch.tensor([3 + 4j, 2])).tolist() == [3, 2]
    assert narrowed(torch.tensor([True, False])).tolist() == [1, 0]


def test_without_values_what_does_not_fit_is_an_arrow():
    data = explorer_data(mlp((20, 30, 5), values=False), None, 100)
    assert data["edges"]["count"] == [0, 30, 0, 5]
    assert "one arrow" in data["notes"][1]
    whole = explorer_data(mlp((20, 30, 5), values=False), None, 10**6)
    assert whole["edges"]["count"] == [600, 30, 150, 5]


def test_edges_of_neurons_that_cannot_be_shown_are_left_out():
    graph = mlp((3000, 2))
    data = explorer_data(graph, None, 10**6)
    assert data["edges"]["count"] == [2 * 256, 2]
    ends = column(data, "src")[: 2 * 256]
    assert set(ends.tolist()) == {*range(128), *range(2872, 3000)}


def test_numbers_are_packed_in_the_smallest_type():
    for most, type in ((255, "u1"), (256, "u2"), (65536, "u4"), (2**32, "f8")):
        packed = pack(np.array([0, most]))
        assert packed[0] == type
        assert unpack(packed).tolist() == [0, most]


def test_the_style_sheet_takes_its_colours_from_the_palette():
    page = explorer_html(mlp())
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert f"--paper:{palette.LIGHT.paper}" in style
    assert f"--paper:{palette.DARK.paper}" in style
    assets = files("gmn_fx.drawing.explorer").joinpath("assets")
    own = "".join(assets.joinpath(n).read_text() for n in ("style.css", "changes.css"))
    values = re.findall(r":([^;{}]*);", own)
    assert not [v for v in values if re.search(r"#[0-9a-fA-F]{3}", v)]

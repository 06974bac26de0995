"""What a notebook shows of a graph."""

from __future__ import annotations

import pytest

from gmn_fx.drawing import notebook
from tests.drawing.graphs import mlp, residual_net, transformer
from tests.drawing.pictures import assert_stands_alone, drawn_nodes, parse


def test_a_graph_shows_its_picture():
    graph = mlp()
    svg = graph._repr_svg_()
    assert_stands_alone(svg)
    assert len(drawn_nodes(parse(svg))) == 22
    assert svg in graph._repr_html_()


def test_large_graphs_show_their_architecture():
    svg = transformer()._repr_svg_()
    assert svg is not None
    assert len(svg) <= notebook.LIMIT


def test_too_large_pictures_are_not_put_into_the_notebook(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notebook, "LIMIT", 100)
    graph = residual_net()
    assert graph._repr_svg_() is None
    html = graph._repr_html_()
    assert "tiny resnet" in html
    assert "20 nodes" in html
    assert "graph.html" in html


def test_without_a_renderer_there_are_facts(no_renderer):
    assert transformer()._repr_svg_() is None
    assert "163 M" in transformer()._repr_html_()
    # Neurons need none.
    assert mlp()._repr_svg_() is not None

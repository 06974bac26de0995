"""gmn-draw: formats, views, limits and wrong input, through the command."""

from __future__ import annotations

from pathlib import Path

import pytest

import gmn_fx
from gmn_fx.graph.model import ParameterGraph
from tests.cli.conftest import Gmn
from tests.drawing.graphs import chain, mlp, transformer

MAGIC = {
    "svg": b"<svg", "html": b"<!DOCTYPE html>", "png": b"\x89PNG", "pdf": b"%PDF",
    "dot": b"digraph",
}  # fmt: skip


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A perceptron that is too wide for dots."""
    out = tmp_path / "wide.pt"
    mlp((400, 300, 10)).save(out)
    return out


@pytest.mark.parametrize("view", ["auto", "architecture", "neuron", "hybrid"])
@pytest.mark.parametrize("ending", MAGIC)
def test_every_format_of_every_view(
    gmn: Gmn, graph: Path, tmp_path: Path, ending: str, view: str
) -> None:
    out = tmp_path / f"picture.{ending}"
    outcome = gmn("draw", graph, "--out", out, "--view", view)
    assert outcome.code == 0, outcome.err
    assert out.read_bytes().startswith(MAGIC[ending]) or ending == "dot"
    if ending == "dot":
        assert b"digraph" in out.read_bytes()


def test_the_page_has_orbits(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert gmn("draw", graph, "--out", out).code == 0
    assert '"orbits":null' not in out.read_text()
    assert "orbits were not computed" not in out.read_text()


def test_too_many_edges_name_the_view_to_use(gmn: Gmn, wide: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.svg"
    outcome = gmn("draw", wide, "--out", out, "--view", "neuron")
    assert outcome.code == 10
    assert "123 k edges, more than the limit of 100,000" in outcome.err
    assert "--view hybrid" in outcome.err
    assert not out.exists()
    assert gmn("draw", wide, "--out", out, "--view", "neuron", "--max-edges", 200_000).code == 0
    assert gmn("draw", wide, "--out", out).code == 0
    assert "drawn: " in out.read_text()


def test_a_hundred_million_edges(gmn: Gmn, tmp_path: Path) -> None:
    file, out = tmp_path / "gpt.pt", tmp_path / "x.svg"
    transformer().save(file)
    outcome = gmn("draw", file, "--out", out, "--view", "neuron")
    assert outcome.code == 10
    assert "163 M edges" in outcome.err
    assert "--view architecture" in outcome.err
    assert gmn("draw", file, "--out", out, "--depth", 1, "--direction", "LR").code == 0


def test_repeats_are_folded_or_drawn(gmn: Gmn, tmp_path: Path) -> None:
    file, out = tmp_path / "chain.pt", tmp_path / "x.dot"
    chain(60).save(file)
    sizes = []
    for how in ("fold", "draw"):
        assert gmn("draw", file, "--out", out, "--repeats", how).code == 0
        sizes.append(len(out.read_text()))
    assert 5 * sizes[0] < sizes[1]


@pytest.mark.parametrize("ending", ["svg", "html", "dot"])
def test_an_empty_graph(gmn: Gmn, tmp_path: Path, ending: str) -> None:
    file, out = tmp_path / "empty.pt", tmp_path / f"x.{ending}"
    ParameterGraph("empty", (), (), ()).save(file)
    outcome = gmn("draw", file, "--out", out)
    assert outcome.code == 10
    assert "nothing to draw" in outcome.err
    assert not out.exists()


def test_a_corrupt_file(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "corrupt.pt", tmp_path / "x.html"
    file.write_bytes(graph.read_bytes()[:700])
    outcome = gmn("draw", file, "--out", out)
    assert outcome.code == 9
    assert str(file) in outcome.err
    assert not out.exists()


def test_edges_that_lead_nowhere(tmp_path: Path) -> None:
    from dataclasses import replace

    from gmn_fx.graph.indexmap import IndexMap

    good = mlp((2, 3, 1))
    bad = replace(good.bundles[0], src=IndexMap.constant(10**6, good.bundles[0].shape))
    graph = replace(good, bundles=(bad, *good.bundles[1:]))
    for view in ("architecture", "neuron", "hybrid"):
        with pytest.raises(gmn_fx.DrawError, match="corrupt"):
            gmn_fx.draw(graph, view=view)
    with pytest.raises(gmn_fx.DrawError, match="corrupt"):
        gmn_fx.draw(graph, tmp_path / "x.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.svg", "x.html"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--depth", 0], "depth is 0"),
        (["--max-boxes", 1], "max_boxes is 1"),
        (["--view", "netron"], "netron"),
        (["--direction", "UP"], "UP"),
    ],
)
def test_wrong_options(
    gmn: Gmn, graph: Path, tmp_path: Path, options: list[object], said: str, name: str
) -> None:
    out = tmp_path / name
    outcome = gmn("draw", graph, "--out", out, *options)
    assert outcome.code in (2, 10)
    assert said in outcome.err
    assert not out.exists()


def test_a_comparison_is_a_page(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "x.html", tmp_path / "other.pt"
    before = gmn_fx.load(graph)
    before.bind({k: 2 * v for k, v in before.values.items()}).save(other)
    outcome = gmn("draw", graph, other, "--out", out)
    assert outcome.code == 0
    assert "equal structure; 4 of 4 parameters changed" in outcome.out
    assert f"wrote {out}" in outcome.err
    page = out.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "4 of 4 parameters changed" in page
    assert '"orbits":null' in page
    assert gmn_fx.draw(before, other=gmn_fx.load(other), path=out) == page


def test_pages_of_equal_and_of_unlike_graphs(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "x.html", tmp_path / "other.pt"
    outcome = gmn("draw", graph, graph, "--out", out)
    assert outcome.code == 0
    assert "no difference" in outcome.out
    assert "no difference" in out.read_text()
    transformer(1, 8, 20, 6).save(other)
    outcome = gmn("draw", graph, other, "--out", out, "--view", "neuron")
    assert outcome.code == 0
    assert "nothing in common" in outcome.out
    assert "is OTHER a version of GRAPH?" in outcome.err
    assert "is OTHER a version of GRAPH?" in out.read_text()
    empty = tmp_path / "empty.pt"
    ParameterGraph("empty", (), (), ()).save(empty)
    out.unlink()
    assert gmn("draw", empty, empty, "--out", out).code == 10
    assert not out.exists()

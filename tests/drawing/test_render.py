from __future__ import annotations

import os
import sys

import pytest

from gmn_fx.drawing import draw
from gmn_fx.drawing.render import format_of, render, write_file
from gmn_fx.errors import DrawError, FileError
from tests.drawing.graphs import mlp, residual_net
from tests.drawing.pictures import of_class, parse


def test_pygraphviz_draws_without_a_system_graphviz(only_pygraphviz, capfd):
    picture = draw(residual_net(), view="architecture")
    assert len(of_class(parse(picture), "node")) == 9
    assert capfd.readouterr().err == ""


def test_a_system_dot_comes_first(fake_dot, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    fake_dot('cat >/dev/null; echo "<svg>$*</svg>"')
    assert render("digraph {}") == b"<svg>-Kdot -Tsvg</svg>\n"
    assert render("digraph {}", "png", positions=True) == b"<svg>-Knop2 -Tpng</svg>\n"


def test_a_broken_dot_is_passed_over(fake_dot):
    fake_dot("cat >/dev/null; echo boom >&2; exit 3")
    assert b"<svg" in render("digraph {a -> b}")


def test_a_broken_dot_alone_is_reported(fake_dot, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    fake_dot("cat >/dev/null; echo boom >&2; exit 3")
    with pytest.raises(DrawError, match="boom"):
        render("digraph {a -> b}")


def test_without_a_renderer_the_error_says_what_to_install(no_renderer, tmp_path):
    with pytest.raises(DrawError, match="no Graphviz renderer") as caught:
        draw(mlp(), tmp_path / "x.svg", view="architecture")
    assert "pip install 'gmn-fx[render]'" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_without_a_renderer_dot_text_and_neurons_are_still_drawn(no_renderer, tmp_path):
    text = draw(mlp(), tmp_path / "x.dot", view="architecture")
    assert (tmp_path / "x.dot").read_text(encoding="utf-8") == text
    assert text.startswith("digraph architecture {")
    draw(mlp(), tmp_path / "n.svg", view="neuron")
    assert (tmp_path / "n.svg").exists()


@pytest.mark.parametrize("view", ["architecture", "neuron"])
@pytest.mark.parametrize(
    ("ending", "magic"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<svg")]
)
def test_formats(view, ending, magic, only_pygraphviz, tmp_path):
    file = tmp_path / f"x.{ending}"
    draw(residual_net(), file, view=view)
    assert file.read_bytes().startswith(magic)


def test_what_is_not_laid_out_is_not_warned_of(tmp_path, capfd):
    draw(mlp((2, 600, 2, 600, 2), values=False), tmp_path / "x.pdf", view="neuron")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["x.gif", "x", "svg", "x.svg.gz"])
def test_unknown_formats_are_refused_before_drawing(name, tmp_path):
    with pytest.raises(DrawError, match="unknown format") as caught:
        draw(mlp(), tmp_path / name)
    assert ".svg" in caught.value.hint
    assert format_of("a.b/C.PDF") == "pdf"


@pytest.mark.parametrize(
    "options", [{"view": "netron"}, {"rankdir": "UP"}, {"max_boxes": 1}], ids=str
)
def test_bad_options(options):
    with pytest.raises(DrawError):
        draw(mlp(), **options)


def test_an_empty_graph_is_refused():
    from gmn_fx.graph.model import ParameterGraph

    with pytest.raises(DrawError, match="has no nodes"):
        draw(ParameterGraph("void", (), (), ()))


# ---- files


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        draw(mlp(), tmp_path / "no" / "x.svg")


def test_a_folder_in_the_way_leaves_no_half_file(tmp_path):
    (tmp_path / "x.svg").mkdir()
    with pytest.raises(FileError, match="cannot write"):
        draw(mlp(), tmp_path / "x.svg")
    assert os.listdir(tmp_path) == ["x.svg"]


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "x.svg"
    file.write_text("old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(file, b"new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.svg"]


def test_files_get_the_usual_permissions(tmp_path):
    write_file(tmp_path / "x.svg", b"x")
    (tmp_path / "y").write_text("y")
    assert (tmp_path / "x.svg").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_importing_drawing_loads_no_graphviz():
    import subprocess

    code = (
        "import sys, gmn_fx.drawing; "
        "assert not {'graphviz', 'pygraphviz', 'networkx', 'torch_geometric'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The picture of what differs between two graphs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gmn_fx.drawing import draw
from gmn_fx.drawing.architecture import architecture_dot
from gmn_fx.drawing.compare import compare, draw_comparison
from gmn_fx.drawing.compare.picture import delta_graph, overlay_of
from gmn_fx.drawing.compare.scale import ADDED, NOT_FINITE, REMOVED, RESIZED, SAME, STEPS
from gmn_fx.drawing.text import TIMES
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import mlp
from tests.drawing.pairs import (
    check_union,
    gpt,
    valued,
    with_values,
)
from tests.drawing.pictures import assert_stands_alone, parse
from tests.drawing.test_hostile import HOSTILE, poisoned


def test_colours_follow_the_change():
    a = valued(mlp((2, 8, 8, 8, 8, 1)))
    factors = {"fc1.weight": 1.0005, "fc2.weight": 1.05, "fc3.weight": 1.5, "fc4.weight": 4.0}
    b = a.bind({n: v * factors.get(n, 1.0) for n, v in a.values.items()})
    overlay = overlay_of(compare(a, b))
    colors = {b.bundles[k].slot: c.color for k, c in overlay.bundles.items()}
    scale = [look.color for _, look in STEPS]
    assert colors == {
        "fc1.weight": scale[0],
        "fc2.weight": scale[2],
        "fc3.weight": scale[3],
        "fc4.weight": scale[4],
    }
    texts = {b.bundles[k].slot: c.text for k, c in overlay.bundles.items()}
    assert texts["fc2.weight"] == "weight Δ 5 %"
    assert texts["fc4.weight"] == "weight Δ 300 %"
    legend = [e.text for e in overlay.entries]
    assert legend == ["unchanged", "Δ ≤ 0.1 %", "Δ ≤ 10 %", "Δ ≤ 100 %", "Δ > 100 %"]


def test_states_look_different():
    looks = [SAME, *(k for _, k in STEPS), NOT_FINITE, RESIZED, ADDED, REMOVED]
    assert len({k.color for k in looks}) == len(looks)
    assert len({k.dark for k in looks}) == len(looks)
    assert (REMOVED.style, ADDED.style) == ("dashed", "bold")


def test_the_picture_says_what_differs(only_pygraphviz, tmp_path):
    a, b = gpt(), gpt(layers=3)
    text = draw(a, tmp_path / "x.svg", other=b, view="architecture")
    assert (tmp_path / "x.svg").read_text() == text
    said = " ".join("".join(parse(text).itertext()).split())
    for wanted in ("only in b", "only in a", "unchanged", "12 parameters added", "gpt2: a → b"):
        assert wanted in said
    assert ADDED.color.lower() in text.lower()
    tip = "\n".join(c.about for c in overlay_of(compare(a, b)).bundles.values())
    assert "another source" in tip


def test_tooltips_have_shapes_and_numbers():
    a = valued(mlp((2, 8, 8, 1)))
    b = with_values(a, fc1__bias=a.values["fc1.bias"] + 1)
    (change,) = overlay_of(compare(a, b)).bundles.values()
    assert "8 of 8 elements differ; most at [" in change.about
    wide = overlay_of(compare(a, valued(mlp((2, 8, 12, 1)))))
    assert any(f"8{TIMES}8 in a, 12{TIMES}8 in b" in c.about for c in wide.bundles.values())


@pytest.mark.parametrize("ending", ["svg", "dot", "png", "pdf"])
def test_all_formats(ending, only_pygraphviz, tmp_path):
    a = gpt()
    b = gpt(layers=3)
    draw(a, tmp_path / f"x.{ending}", other=b)
    assert (tmp_path / f"x.{ending}").stat().st_size > 1000


def test_identical_graphs_are_drawn_pale():
    graph = valued(mlp())
    overlay = overlay_of(compare(graph, graph))
    assert not overlay.groups
    assert not overlay.bundles
    assert overlay.rest == SAME.color
    assert overlay.subtitle == "no difference"
    dot = architecture_dot(graph, overlay=overlay)
    assert SAME.color in dot
    assert "no difference" in draw(graph, other=graph)


def test_small_graphs_show_b_minus_a():
    a = valued(mlp((2, 3, 1)))
    b = with_values(a, fc1__weight=a.values["fc1.weight"] + 0.25)
    delta = delta_graph(compare(a, b))
    assert torch.allclose(delta.values["fc1.weight"], torch.full((3, 2), 0.25).double())
    assert not delta.values["fc2.weight"].any()
    assert delta.name == "b \u2212 a: mlp: a → b"
    said = " ".join("".join(parse(draw(a, other=b)).itertext()).split())
    assert "b \u2212 a: mlp" in said
    assert draw(a, other=b) == draw(a, other=b, view="neuron")


def test_equal_infinite_values_vanish():
    a = valued(mlp((2, 3, 1)))
    a = with_values(a, fc1__bias=torch.tensor([math.inf, 1.0, 2.0]))
    b = with_values(a, fc2__bias=torch.tensor([9.0]))
    assert not delta_graph(compare(a, b)).values["fc1.bias"].any()


def test_neurons_need_something_to_subtract():
    a = valued(mlp((2, 3, 1)))
    with pytest.raises(DrawError, match="differ in structure") as caught:
        draw(a, other=valued(mlp((2, 4, 1))), view="neuron")
    assert "architecture" in caught.value.hint
    with pytest.raises(DrawError, match="no values"):
        draw(a, other=mlp((2, 3, 1), values=False), view="neuron")
    with pytest.raises(DrawError, match="unknown view"):
        draw(a, other=a, view="cubist")  # type: ignore[arg-type]


def test_nothing_to_draw():
    empty = ParameterGraph("empty", (), (), ())
    assert compare(empty, empty).identical
    with pytest.raises(DrawError, match="no nodes"):
        draw(empty, other=empty)


def test_an_empty_graph_and_another():
    found = compare(ParameterGraph("empty", (), (), ()), valued(mlp()))
    check_union(found)
    assert found.disjoint
    assert "only in b" in draw_comparison(found, view="architecture")


def test_alike_blocks_that_changed_apart_are_drawn_apart():
    a = gpt(layers=4)
    name = "transformer.h.2.mlp.c_fc.weight"
    b = a.bind({**a.values, name: a.values[name] * 1.3})
    dot = architecture_dot(a, overlay=overlay_of(compare(a, b)))
    assert "weight Δ 30 %" in dot


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(name, only_pygraphviz):
    a = poisoned(name)
    b = poisoned("other" + name)
    b = replace(b, values={k: v + 1 for k, v in b.values.items()})
    for one, two in ((a, b), (a, replace(a, values={k: v + 1 for k, v in a.values.items()}))):
        found = compare(one, two)
        for view in ("architecture", "neuron") if found.same_structure else ("architecture",):
            picture = draw_comparison(found, view=view)
            assert_stands_alone(picture)
            assert parse(picture).tag.endswith("svg")
        assert isinstance(found.summary, str)


def test_memory_and_edges_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing lists no edges."""

    def refuse(*_: object) -> None:
        raise AssertionError("edges were listed")

    monkeypatch.setattr("gmn_fx.graph.values.edge_values", refuse)
    monkeypatch.setattr("gmn_fx.graph.arrays.materialise", refuse)
    a = gpt()
    assert not compare(a, a.bind({k: v + 1 for k, v in a.values.items()})).identical


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot"):
        draw(gpt(), tmp_path / "missing" / "x.svg", other=gpt(layers=3))
    assert list(tmp_path.iterdir()) == []


def test_a_folded_module_has_the_colour_of_its_strongest_change():
    a = gpt(layers=4)
    factors = {"ln_1.weight": 1.0001, "mlp.c_fc.weight": 1.5, "mlp.c_proj.weight": 1.0002}
    front = "transformer.h.2."
    b = a.bind({k: v * factors.get(k.removeprefix(front), 1.0) for k, v in a.values.items()})
    dot = architecture_dot(a, max_boxes=12, overlay=overlay_of(compare(a, b)))
    (box,) = [line for line in dot.splitlines() if "changes inside" in line]
    assert "3 changes inside" in box
    assert f'color="{STEPS[3][1].color}"' in box
    assert "dashed" not in box

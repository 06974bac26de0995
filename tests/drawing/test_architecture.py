from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gmn_fx.drawing import draw, to_dot
from gmn_fx.drawing.fold import boxes_of
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import Maker, chain, mlp, residual_net, transformer
from tests.drawing.pictures import assert_stands_alone, of_class, parse, texts, tips

GOLDEN = Path(__file__).parent / "golden"


def architecture(graph: ParameterGraph, **options: object) -> str:
    return to_dot(graph, view="architecture", **options)


@pytest.mark.parametrize(
    ("name", "graph", "view"),
    [
        ("mlp", mlp(), "architecture"),
        ("residual_net", residual_net(), "architecture"),
        ("folded_chain", chain(60), "architecture"),
        ("mlp_neurons", mlp((2, 3, 1), values=False), "neuron"),
    ],
)
def test_golden_dot(name, graph, view):
    dot = to_dot(graph, view=view, max_boxes=30)
    file = GOLDEN / f"{name}.dot"
    if os.environ.get("GMN_FX_UPDATE_GOLDEN"):
        file.write_text(dot, encoding="utf-8")
    assert dot == file.read_text(encoding="utf-8")


def test_dot_is_deterministic():
    assert architecture(transformer(2)) == architecture(transformer(2))


def test_one_box_a_group_and_one_arrow_a_pair():
    root = parse(draw(residual_net(), view="architecture"))
    assert len(of_class(root, "node")) == 9
    # bn is fed by its bias node twice: by parameters and by running statistics.
    assert len(of_class(root, "edge")) == 10
    assert len(of_class(root, "cluster")) == 1


def test_labels_say_what_matters():
    said = texts(parse(draw(residual_net(), view="architecture")))
    for wanted in ("tiny resnet", "stem", "conv1", "head", "3 channels", "2 neurons"):
        assert wanted in said
    joined = "\n".join(said)
    assert "conv2d · depth 1" in joined
    assert "weight 3\u00d71\u00d73\u00d73 = 27" in joined
    assert "9 groups · 20 nodes · 212 edges · 206 parameters" in joined


def test_legend_shows_only_what_is_there():
    said = texts(parse(draw(mlp(), view="architecture")))
    joined = " ".join(said)
    assert "bias" in joined
    assert "residual" not in joined
    assert "channel" not in joined


def test_styles_of_arrows():
    dot = architecture(residual_net())
    lines = [line for line in dot.splitlines() if "->" in line]
    residual = [line for line in lines if "residual; " in line or "residual of" in line]
    assert any("style=dashed" in line and "#0072B2" in line for line in residual)
    assert any("running_mean" in line and "#CC79A7" in line for line in lines)
    assert any("flow of residual" in line and "style=dashed" in line for line in lines)


def test_tooltips_hold_names_and_sources():
    said = "\n".join(tips(parse(draw(mlp(), view="architecture"))))
    assert "fc2.weight; 8\u00d78, 64 parameters" in said
    assert "after relu" in said
    assert "model.py:7" in said


def test_left_to_right():
    assert "rankdir=LR" in architecture(mlp(), rankdir="LR")


def test_svg_stands_alone():
    assert_stands_alone(draw(residual_net(), view="architecture"))


# ---- folding


def shown(dot: str) -> list[str]:
    return re.findall(r"<<B>([^<]*)</B>", dot)


def test_small_graphs_are_not_folded():
    graph = transformer(2, 8, 10)
    assert len(boxes_of(graph, 150)) == len(graph.groups)


def test_layers_of_a_deep_transformer_are_drawn_with_their_helpers():
    graph = transformer()
    assert len(graph.groups) > 200
    boxes = boxes_of(graph, 150)
    assert len(boxes) == 125
    assert sorted(i for b in boxes for i in b.groups) == list(range(len(graph.groups)))
    names = shown(architecture(graph))
    assert names.count("attn.c_proj") == 12
    assert "transformer.h.11" in names
    assert "folded into 125 boxes" in architecture(graph)


def test_blocks_become_boxes_when_their_layers_do_not_fit():
    names = shown(architecture(transformer(), max_boxes=40))
    # The frame says `transformer.h`.
    assert [str(k) in names for k in range(12)] == [True] * 12
    assert "attn.c_proj" not in names


def test_parameters_inside_a_folded_box_are_counted():
    dot = architecture(transformer(12, 8, 10), max_boxes=40)
    # qkv 192 + 24, two norms' shifts and the second gain, output 64 + 8, feed-forward 552 + 8.
    inside = 24 * 8 + 24 + 8 + 64 + 8 + 8 + 8 + 256 + 32 + 256 + 8
    assert f"18 groups, {inside} parameters inside" in dot


@pytest.mark.parametrize("name", ["layers.{}", "", "net.{}.inner", "a.b.c.{}"])
def test_long_chains_become_ranges(name):
    graph = chain(200, name)
    boxes = boxes_of(graph, 150)
    assert 8 <= len(boxes) <= 30
    assert sorted(i for b in boxes for i in b.groups) == list(range(200))
    assert [b.groups[0] for b in boxes] == sorted(b.groups[0] for b in boxes)


def test_ranges_name_their_ends():
    assert "layers.0 … layers.8" in shown(architecture(chain()))


@pytest.mark.parametrize("limit", [2, 3, 7, 30, 100])
def test_folding_keeps_to_its_limit(limit):
    # An input, a wrapper and nothing else can always be shown.
    assert len(boxes_of(chain(200), limit)) <= max(limit, 3)
    assert len(boxes_of(transformer(), limit)) <= max(limit, 3)


def test_a_recurrent_group_has_a_loop():
    make = Maker()
    state = make.group("state", "rnn_tanh", 3, "rnn", 1)
    make.dense(state, state, "rnn.weight_hh", "rnn_tanh")
    root = parse(draw(make.graph("loop"), view="architecture"))
    assert len(of_class(root, "edge")) == 1


def test_unknown_kinds_are_drawn():
    make = Maker()
    a = make.group("input", "input", 2)
    b = make.group("quantum", "entangle", 2, "q")
    make.dense(a, b, "q.weight", "entangle")
    assert "quantum" in " ".join(texts(parse(draw(make.graph("new"), view="architecture"))))


def test_empty_groups_and_bundles_are_left_out():
    graph = mlp((2, 0, 1))
    root = parse(draw(graph, view="architecture"))
    assert len(of_class(root, "node")) == len([g for g in graph.groups if g.size])
    draw(graph, view="neuron")


def test_a_large_structure_is_quick_enough_to_look_at():
    graph = transformer(80, 8192, 32000)
    begin = time.perf_counter()
    architecture(graph)
    assert time.perf_counter() - begin < 20


def test_tied_names_are_said():
    graph = mlp()
    slots = (replace(graph.slots[0], aliases=("other.weight",)), *graph.slots[1:])
    said = "\n".join(tips(parse(draw(replace(graph, slots=slots), view="architecture"))))
    assert "also other.weight" in said

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from gmn_fx.drawing import draw, to_dot
from gmn_fx.drawing.fold import boxes_of
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import (
    Maker,
    chain,
    densely_connected,
    experts,
    mlp,
    residual_net,
    transformer,
)
from tests.drawing.pictures import assert_golden, assert_stands_alone, of_class, parse, texts, tips


def architecture(graph: ParameterGraph, **options: object) -> str:
    return to_dot(graph, view="architecture", **options)


PLAIN = {"view": "architecture", "max_boxes": 30}
CASES = {
    "mlp": (mlp(), PLAIN),
    "residual_net": (residual_net(), PLAIN),
    "folded_chain": (chain(60), PLAIN | {"fold_repeats": False}),
    "repeated_chain": (chain(60), PLAIN),
    "repeated_blocks": (transformer(3, 8, 10), PLAIN),
    "nested_repeats": (experts(), PLAIN),
    "depth": (transformer(3, 8, 10), PLAIN | {"depth": 3}),
    "crowded": (transformer(3, 8, 10), PLAIN | {"max_boxes": 150, "fold_repeats": False}),
    "mlp_neurons": (mlp((2, 3, 1), values=False), {"view": "neuron"}),
}


@pytest.mark.parametrize("name", CASES)
def test_golden_dot(name):
    graph, options = CASES[name]
    assert_golden(f"{name}.dot", to_dot(graph, **options))


def test_dot_is_deterministic():
    assert architecture(transformer(2)) == architecture(transformer(2))


def test_one_box_a_group_and_one_arrow_a_pair():
    root = parse(draw(residual_net(), view="architecture"))
    assert len(of_class(root, "node")) == 9
    # bn is fed by its bias node twice: by parameters and by running statistics.
    assert len(of_class(root, "edge")) == 10
    assert len(of_class(root, "cluster")) == 1


def test_modules_are_frames_within_frames():
    root = parse(draw(transformer(1, 8, 10), view="architecture"))
    assert len(of_class(root, "frame")) == 4
    said = texts(root)
    for name in ("transformer", "h.0", "attn", "mlp"):
        assert name in said
    # Names of frames are written last: no arrow crosses them out.
    marks = [e.get("class") for e in of_class(root, "graph")[0]]
    assert marks[-4:] == ["halo pale"] * 4


def test_small_squares_stand_beside_what_they_serve():
    dot = architecture(mlp())
    assert len(re.findall("rank=same", dot)) == 3
    assert "label=1 " in dot


def test_in_a_crowded_picture_helpers_are_named_in_their_box():
    dot = architecture(transformer(3, 8, 10), fold_repeats=False)
    assert "label=1 " not in dot
    assert "8 neurons · layer_norm + statistic + bias" in dot


def test_labels_say_what_matters():
    said = texts(parse(draw(residual_net(), view="architecture")))
    for wanted in ("tiny resnet", "stem", "conv1", "head", "3 channels · conv2d"):
        assert wanted in said
    joined = "\n".join(said)
    assert "3 channels · conv2d" in joined
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
    dot = architecture(graph, max_boxes=150, fold_repeats=False)
    # Named as in the frames `attn` and `mlp`.
    assert shown(dot).count("c_proj") == 24
    assert "h.11" in shown(dot)


def test_blocks_become_boxes_when_their_layers_do_not_fit():
    names = shown(architecture(transformer(), max_boxes=40, fold_repeats=False))
    assert [f"h.{k}" in names for k in range(12)] == [True] * 12
    assert "c_proj" not in names


def test_parameters_inside_a_folded_box_are_counted():
    dot = architecture(transformer(12, 8, 10), max_boxes=40, fold_repeats=False)
    # qkv 192 + 24, two norms, output 64 + 8, feed-forward 256 + 32 + 256 + 8.
    inside = 24 * 8 + 24 + 4 * 8 + 64 + 8 + 256 + 32 + 256 + 8
    assert f"18 groups, {inside} parameters" in dot
    assert "modules folded into 17 boxes" in dot


def test_a_tangle_of_arrows_folds_further():
    graph = densely_connected()
    dot = architecture(graph, fold_repeats=False)
    assert shown(dot) == ["input", "block0", "block1", "block2"]
    assert dot.count(" -> ") == 3
    # What somebody asks for by its depth is drawn, arrows and all.
    deep = architecture(graph, depth=2, fold_repeats=False)
    assert sum("layer" in name for name in shown(deep)) == 48
    assert deep.count(" -> ") > 300


def test_few_arrows_that_all_meet_do_not_fold():
    names = shown(architecture(densely_connected(2, 5), fold_repeats=False))
    assert names.count("second") == 10


@pytest.mark.parametrize("name", ["layers.{}", "", "net.{}.inner", "a.b.c.{}"])
def test_long_chains_become_ranges(name):
    graph = chain(200, name)
    boxes = boxes_of(graph, 150)
    assert 8 <= len(boxes) <= 30
    assert sorted(i for b in boxes for i in b.groups) == list(range(200))
    assert [b.groups[0] for b in boxes] == sorted(b.groups[0] for b in boxes)


def test_ranges_name_their_ends():
    assert "layers.0 … layers.8" in shown(architecture(chain(), fold_repeats=False))


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

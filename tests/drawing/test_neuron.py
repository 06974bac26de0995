from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gmn_fx.drawing import choose_view, draw, to_dot
from gmn_fx.drawing.columns import columns, layout
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.palette import NEGATIVE, NOT_FINITE, POSITIVE
from gmn_fx.drawing.scene import on_curve, scene_of
from gmn_fx.errors import DrawError
from tests.drawing.graphs import Maker, chain, mlp, residual_net, transformer
from tests.drawing.pictures import assert_stands_alone, of_class, parse, texts, tips


def test_every_node_is_a_mark_and_every_edge_a_stroke():
    root = parse(draw(mlp(), view="neuron"))
    assert len(of_class(root, "node")) == 22
    assert len(of_class(root, "bias")) == 3
    assert len(of_class(root, "edge")) == 16 + 8 + 64 + 8 + 8 + 1


def test_kernel_positions_share_a_stroke():
    graph = residual_net()
    root = parse(draw(graph, view="neuron"))
    strokes = of_class(root, "edge")
    # stem 3, norm 3 + 3 + 3, convs 9 + 9, flow 3, residual 3, head 6 + 2.
    assert len(strokes) == 44
    said = tips(root)
    assert sum("9 parallel edges" in t for t in said) == 3 + 9 + 9
    assert any("stem.weight[0, 0, 2, 2] = " in t for t in said)


def test_tooltips_have_name_index_and_value():
    graph = mlp()
    said = tips(parse(draw(graph, view="neuron")))
    number = f"{float(graph.values['fc2.weight'][3, 5]):.4g}"
    assert any(f"fc2.weight[3, 5] = {number}" in t and "after relu" in t for t in said)
    assert any("neuron 3 of fc1" in t and "node 5" in t for t in said)


def test_sign_is_colour_and_magnitude_is_width():
    graph = mlp((2, 1))
    values = {"fc1.weight": torch.tensor([[2.0, -0.5]]), "fc1.bias": torch.tensor([math.nan])}
    root = parse(draw(replace(graph, values=values), view="neuron"))
    look = {e.get("stroke"): float(e.get("stroke-width") or 0) for e in of_class(root, "edge")}
    assert set(look) == {POSITIVE, NEGATIVE, NOT_FINITE}
    assert look[POSITIVE] > look[NEGATIVE]
    assert "nan or inf" in texts(root)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64, torch.int64])
def test_every_dtype_is_drawn(dtype):
    graph = mlp((2, 1))
    values = {n: torch.ones(v.shape).to(dtype) for n, v in graph.values.items()}
    said = tips(parse(draw(replace(graph, values=values), view="neuron")))
    assert any("fc1.weight[0, 1] = 1" in t for t in said)


def test_all_zero_values():
    graph = mlp((2, 1))
    draw(replace(graph, values={n: v * 0 for n, v in graph.values.items()}), view="neuron")


def test_structure_without_values():
    root = parse(draw(mlp(values=False), view="neuron"))
    assert "structure only" in " ".join(texts(root))
    assert len(of_class(root, "edge")) == 105


def test_meta_values_count_as_none():
    graph = mlp((2, 1))
    values = {n: v.to("meta") for n, v in graph.values.items()}
    draw(replace(graph, values=values), view="neuron")


def test_inputs_and_outputs_are_named():
    said = texts(parse(draw(mlp(), view="neuron")))
    assert {"in 0", "in 1", "out 0", "fc1", "fc2", "fc3", "mlp"} <= set(said)


def test_svg_stands_alone():
    assert_stands_alone(draw(residual_net(), view="neuron"))


def test_everything_is_inside_the_picture():
    for graph in (mlp(), residual_net(), transformer(1, 4, 6, 5), loop()):
        scene = scene_of(graph)
        inside = [m.at for m in scene.marks]
        inside += [on_curve(c.points, 0.5) for c in scene.curves]
        inside += [t.at for t in scene.labels]
        for x, y in inside:
            assert -0.01 <= x <= scene.width + 0.01
            assert -0.01 <= y <= scene.height + 0.01


def test_marks_do_not_overlap():
    for graph in (mlp((3, 60, 2)), residual_net(), transformer(1, 4, 6, 5)):
        marks = scene_of(graph).marks
        for k, one in enumerate(marks):
            for two in marks[k + 1 :]:
                assert math.dist(one.at, two.at) > one.radius + two.radius


def test_skips_pass_above_what_lies_between():
    scene = scene_of(residual_net())
    curves = [c for c in scene.curves if c.stroke.dash == "6 4"]
    assert len(curves) == 3
    channels = [m.at[1] - m.radius for m in scene.marks if m.kind == "channel"]
    for curve in curves:
        assert on_curve(curve.points, 0.5)[1] < min(channels)


# ---- columns


def test_columns_follow_depth():
    graph = mlp()
    place = columns(graph, links_of(graph))
    assert [place[i] for i, g in enumerate(graph.groups) if g.kind != "bias"] == [0, 1, 2, 3]
    assert [place[i] for i, g in enumerate(graph.groups) if g.kind == "bias"] == [0, 1, 2]


def test_columns_without_depths_are_longest_paths():
    graph = residual_net()
    plain = replace(graph, groups=tuple(replace(g, depth=-1) for g in graph.groups))
    links = links_of(graph)
    assert columns(plain, links) == columns(graph, links)


def test_neighbours_never_share_a_column():
    graph = transformer(2, 4, 6, 5)
    links = links_of(graph)
    place = columns(graph, links)
    assert all(place[e.src] < place[e.dst] for e in links)
    assert layout(graph, links).pitch > 0


def loop():
    make = Maker()
    data = make.pin(make.group("input", "input", 2), 0)
    state = make.group("state", "rnn_tanh", 3, "rnn")
    gate = make.group("product", "mul", 3, "rnn")
    make.dense(data, state, "rnn.weight_ih", "rnn_tanh")
    make.dense(state, state, "rnn.weight_hh", "rnn_tanh")
    make.line(state, gate, "operand", "mul")
    make.line(gate, state, "flow", "rnn_tanh")
    return make.graph("loop")


def test_cycles_and_loops_are_drawn():
    graph = loop()
    place = columns(graph, links_of(graph))
    assert place == {0: 0, 1: 1, 2: 2}
    assert len(of_class(parse(draw(graph, view="neuron")), "edge")) == 6 + 9 + 3 + 3


# ---- limits


def test_too_many_edges_are_refused_with_the_view_to_use():
    with pytest.raises(DrawError, match="more than the limit") as caught:
        draw(transformer(), view="neuron")
    assert "--view architecture" in caught.value.hint
    assert "163 M edges" in caught.value.message


def test_max_edges_can_be_raised():
    graph = mlp((30, 80, 3))
    with pytest.raises(DrawError):
        draw(graph, view="neuron")
    draw(graph, view="neuron", max_edges=5000)


def test_auto_chooses_by_size():
    assert choose_view(mlp()) == "neuron"
    assert choose_view(mlp((100, 100, 10))) == "architecture"
    assert choose_view(chain(60)) == "architecture"
    assert "fc1" in draw(mlp())


def test_dot_has_a_position_for_every_node():
    dot = to_dot(mlp(), view="neuron")
    nodes = [line for line in dot.splitlines() if line.startswith("\tn") and "->" not in line]
    assert sum("pos=" in line for line in nodes) == 22
    assert dot == to_dot(mlp(), view="neuron")

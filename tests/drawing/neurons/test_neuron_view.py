from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gmn_fx.drawing import choose_view, draw, to_dot
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons import Scene, all_shown, ends_shown
from gmn_fx.drawing.neurons import scene_of as make_scene
from gmn_fx.drawing.neurons.columns import columns
from gmn_fx.drawing.neurons.corners import on_way
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import Maker, chain, mlp, residual_net, transformer
from tests.drawing.pictures import assert_stands_alone, drawn_nodes, parse, strokes_in, texts, tips


def scene_of(graph: ParameterGraph) -> Scene:
    return make_scene(graph, all_shown(graph))


def test_every_node_is_a_mark_and_every_edge_a_stroke():
    root = parse(draw(mlp(), view="neuron"))
    assert len(drawn_nodes(root)) == 22
    assert len(drawn_nodes(root, "bias")) == 3
    assert len(strokes_in(root)) == 16 + 8 + 64 + 8 + 8 + 1


def test_kernel_positions_share_a_stroke():
    graph = residual_net()
    root = parse(draw(graph, view="neuron"))
    strokes = strokes_in(root)
    # stem 3, norm 3 + 3 + 3, convs 9 + 9, flow 3, residual 3, head 6 + 2.
    assert len(strokes) == 44
    said = tips(root)
    # Each of them twice: on the stroke and on the tile of its kernel.
    assert sum("9 parallel edges" in t for t in said) == 2 * (3 + 9 + 9)
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
    look = {g: float(e.get("stroke-width") or 0) for g, e in strokes_in(root)}
    assert set(look) == {"positive", "negative", "not-finite"}
    assert look["positive"] > look["negative"]
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
    assert len(strokes_in(root)) == 105


def test_meta_values_count_as_none():
    graph = mlp((2, 1))
    values = {n: v.to("meta") for n, v in graph.values.items()}
    draw(replace(graph, values=values), view="neuron")


def test_inputs_and_outputs_are_named():
    said = texts(parse(draw(mlp(), view="neuron")))
    assert {"in 0", "in 1", "out 0", "fc1", "fc2", "fc3", "mlp"} <= set(said)


def test_svg_stands_alone():
    assert_stands_alone(draw(residual_net(), view="neuron"))


SMALL = [
    mlp,
    residual_net,
    lambda: transformer(1, 4, 6, 5),
    lambda: loop(),
    lambda: mlp((3, 60, 2)),
]


@pytest.mark.parametrize("make", SMALL)
@pytest.mark.parametrize("show", [all_shown, ends_shown])
def test_everything_is_inside_the_picture(make, show):
    graph = make()
    scene = make_scene(graph, show(graph))
    body = [m.at for m in scene.marks] + [t.at for t in scene.labels]
    for bunch in scene.bunches:
        body += [tuple(p) for t in (0.2, 0.5, 0.8) for p in on_way(bunch.points, t).tolist()]
    inside = [(x + scene.left, y + scene.top) for x, y in body]
    inside += [p.at for p in scene.key if hasattr(p, "at")] + [t.at for t in scene.header]
    for x, y in inside:
        assert -0.01 <= x <= scene.width + 0.01
        assert -0.01 <= y <= scene.height + 0.01


@pytest.mark.parametrize("make", SMALL)
@pytest.mark.parametrize("show", [all_shown, ends_shown])
def test_marks_do_not_overlap(make, show):
    marks = make_scene(make(), show(make())).marks
    for k, one in enumerate(marks):
        for two in marks[k + 1 :]:
            assert math.dist(one.at, two.at) > one.radius + two.radius


def test_skips_keep_clear_of_what_lies_between():
    scene = scene_of(residual_net())
    skips = next(b for b in scene.bunches if b.dash == "6 4")
    assert len(skips.strokes) == 3
    channels = [m for m in scene.marks if m.role == "channel"]
    low, high = (f(m.at[1] for m in channels) for f in (min, max))
    heights = on_way(skips.points, 0.5)[:, 1]
    assert (heights < low - channels[0].radius).all() or (heights > high + channels[0].radius).all()


def test_parallel_skips_do_not_cross():
    points = next(b for b in scene_of(residual_net()).bunches if b.dash == "6 4").points
    heights, turns = points[:, 9, 1], points[:, 6, 0]
    outer = heights.argsort() if heights[0] < points[0, 0, 1] else (-heights).argsort()
    assert (turns[outer][1:] > turns[outer][:-1]).all()


def test_two_strokes_between_two_nodes_lie_apart():
    make = Maker()
    data = make.pin(make.group("input", "input", 1), 0)
    out = make.group("neuron", "linear", 1, "fc")
    make.dense(data, out, "fc.weight")
    make.dense(data, out, "fc.other")
    one, two = (on_way(b.points, 0.5)[0] for b in scene_of(make.graph("twins")).bunches)
    assert math.dist(one.tolist(), two.tolist()) > 3


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


def test_a_table_that_is_read_late_stands_before_its_reader():
    make = Maker()
    last = make.pin(make.group("input", "input", 2, depth=0), 0)
    table = make.pin(make.group("vocabulary", "embedding", 5, "table", 0), 1)
    bias = make.group("neuron", "embedding", 2, "table", 1)
    make.dense(table, bias, "table.weight", "embedding")
    for k in range(4):
        layer = make.group("neuron", "linear", 2, f"fc{k}", k + 1)
        make.dense(last, layer, f"fc{k}.weight")
        last = layer
    total = make.group("neuron", "add", 2, "add", 5)
    make.line(last, total, "flow", "add")
    make.line(bias, total, "flow", "add")
    graph = make.graph("late")
    # Input, table, what is made of it, four layers, sum.
    assert list(columns(graph, links_of(graph)).values()) == [0, 3, 4, 1, 2, 3, 4, 5]
    # Where all begins with tables, they stay where they are.
    tables = (replace(graph.groups[0], kind="vocabulary"), *graph.groups[1:])
    graph = replace(graph, groups=tables)
    assert list(columns(graph, links_of(graph)).values()) == [0, 0, 1, 1, 2, 3, 4, 5]


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
    assert len(strokes_in(parse(draw(graph, view="neuron")))) == 6 + 9 + 3 + 3


# ---- limits


def test_too_many_edges_are_refused_with_the_view_to_use():
    with pytest.raises(DrawError, match="more than the limit") as caught:
        draw(transformer(), view="neuron")
    assert "--view architecture" in caught.value.hint
    assert "163 M edges" in caught.value.message


def test_max_edges_is_a_limit_that_can_be_raised():
    graph = mlp((30, 80, 3))
    with pytest.raises(DrawError, match="limit of 2,000") as caught:
        draw(graph, view="neuron", max_edges=2000)
    assert "--view hybrid" in caught.value.hint
    draw(graph, view="neuron")


def test_auto_chooses_by_size():
    assert choose_view(mlp(), 10**5) == "neuron"
    assert choose_view(mlp((100, 100, 10)), 10**5) == "hybrid"
    assert choose_view(chain(60), 10**5) == "architecture"
    assert "fc1" in draw(mlp())


def test_dot_has_a_position_for_every_node():
    dot = to_dot(mlp(), view="neuron")
    nodes = [line for line in dot.splitlines() if line.startswith("\tn") and "->" not in line]
    assert sum("pos=" in line for line in nodes) == 22
    assert dot == to_dot(mlp(), view="neuron")

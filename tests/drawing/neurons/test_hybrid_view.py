from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmn_fx.drawing import draw
from gmn_fx.drawing.neurons import all_shown, ends_shown, scene_of
from gmn_fx.drawing.neurons.selection import edges_between
from gmn_fx.drawing.neurons.strokes import CLASSES, strokes_of
from gmn_fx.errors import DrawError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle
from tests.drawing.graphs import chain, mlp, residual_net, transformer
from tests.drawing.pictures import assert_stands_alone, drawn_nodes, parse, strokes_in, texts


def test_wide_groups_show_their_ends_and_say_their_size():
    root = parse(draw(mlp((784, 300, 10)), view="hybrid"))
    # 5 + 5 inputs, 5 + 5 hidden, all 10 outputs, 2 bias nodes.
    assert len(drawn_nodes(root)) == 32
    said = texts(root)
    assert {"784 inputs", "300 neurons", "in 0", "in 4", "in 779", "in 783", "out 9"} <= set(said)
    assert "in 5" not in said
    assert said.count("·") == 2 * 3


def test_what_is_left_out_is_written_on_the_picture():
    graph = mlp((784, 300, 10))
    said = texts(parse(draw(graph, view="hybrid")))
    total = 784 * 300 + 300 + 300 * 10 + 10
    line = f"drawn: 32 of 1,096 nodes (first and last of wide groups), 220 of {total:,} edges"
    assert any(t.startswith(line) for t in said)
    assert {"drawn 100 of 235,200", "drawn 100 of 3,000"} <= set(said)


def test_nothing_is_said_where_nothing_is_left_out():
    assert not any("drawn" in t or " of " in t for t in texts(parse(draw(mlp(), view="hybrid"))))


def test_the_strongest_edges_are_drawn():
    graph = mlp((6, 6, 1))
    weight = torch.zeros(6, 6)
    weight[2, 3], weight[4, 1], weight[0, 0] = -3.0, 2.0, 0.5
    graph = replace(graph, values=graph.values | {"fc1.weight": weight})
    shown = replace(ends_shown(graph), strokes=2)
    one = strokes_of(graph, shown).strokes[0]
    ends = {(int(a), int(b) - 6) for a, b in zip(one.src, one.dst, strict=True)}
    assert ends == {(3, 2), (1, 4)}
    assert {CLASSES[c] for c in one.cls} == {"positive", "negative"}
    assert one.drawn == 2
    assert one.total == 36


def test_without_values_strokes_are_spread_evenly():
    graph = mlp((10, 10, 1), values=False)
    one = strokes_of(graph, replace(ends_shown(graph), strokes=10)).strokes[0]
    assert len(one) == 10
    assert len(set(one.src.tolist())) > 3


@pytest.mark.parametrize("seed", range(20))
def test_edges_between_are_those_of_the_whole_list(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 6, size=rng.integers(1, 4)).tolist())

    def random_map(most: int) -> IndexMap:
        if rng.random() < 0.4:
            return IndexMap.from_array(rng.integers(0, most, size=shape))
        strides = tuple(int(s) for s in rng.integers(0, 3, size=len(shape)))
        return IndexMap(shape, int(rng.integers(0, 3)), strides)

    bundle = Bundle(
        "weight", "linear", shape, random_map(40), random_map(40), "w", random_map(90),
        history=random_map(5),
    )  # fmt: skip
    mask = rng.random(64) < 0.6
    found = edges_between(bundle, mask)
    src, dst, view, past = (
        m.array().reshape(-1) for m in (bundle.src, bundle.dst, bundle.view, bundle.history)
    )
    on = mask[src] & mask[dst]
    assert found.src.tolist() == src[on].tolist()
    assert found.dst.tolist() == dst[on].tolist()
    assert found.element.tolist() == view[on].tolist()
    assert found.history.tolist() == past[on].tolist()


def test_a_hundred_million_edges_are_never_listed():
    graph = transformer(1)
    tracked = [edges_between(b, ends_shown(graph).mask) for b in graph.bundles]
    assert max(map(len, tracked)) <= 500
    assert_stands_alone(draw(graph, view="hybrid"))


def test_hybrid_of_a_small_graph_is_the_neuron_view():
    graph = residual_net()
    assert draw(graph, view="hybrid") == draw(graph, view="neuron")
    assert len(strokes_in(parse(draw(graph, view="hybrid")))) == 44


def test_too_many_groups_are_refused_with_the_view_to_use():
    with pytest.raises(DrawError, match="500 groups side by side") as caught:
        draw(chain(500), view="hybrid")
    assert "--view architecture" in caught.value.hint


def test_rows_stay_in_order_around_the_ellipsis():
    graph = mlp((100, 3))
    scene = scene_of(graph, ends_shown(graph))
    inputs = sorted((m.node, m.at[1]) for m in scene.marks if m.role == "input")
    heights = [y for _, y in inputs]
    assert heights == sorted(heights)
    assert max(np.diff(heights)) > 2 * min(np.diff(heights))
    assert len(scene_of(graph, all_shown(graph)).marks) == 104

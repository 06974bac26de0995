from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons import Scene, all_shown, ends_shown, scene_of, write_dot, write_svg
from gmn_fx.drawing.neurons.corners import on_way
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.lines import best_count, broken, too_long
from gmn_fx.drawing.neurons.placed import placed
from gmn_fx.drawing.neurons.strokes import strokes_of
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import Maker, chain, mlp, recurrent, residual_net, transformer
from tests.drawing.pictures import assert_golden


def skips(length: int = 60) -> ParameterGraph:
    """A chain whose first layer is read again by each tenth, and whose end goes back to it."""
    make = Maker()
    data = make.pin(make.group("input", "input", 4, depth=0), 0)
    last = first = make.group("neuron", "linear", 4, "layers.0", 1)
    make.dense(data, first, "layers.0.weight")
    for k in range(1, length):
        layer = make.group("neuron", "linear", 4, f"layers.{k}", k + 1)
        bias = make.group("bias", "linear", 1, f"layers.{k}", k)
        make.dense(last, layer, f"layers.{k}.weight")
        make.line(bias, layer, "bias", "linear", f"layers.{k}.bias")
        if k % 10 == 0:
            make.line(first, layer, "residual", "residual")
        last = layer
    make.line(last, first, "flow", "add")
    return make.graph("skips")


LONG = {
    "chain": lambda: chain(60),
    "skips": skips,
    "transformer": lambda: transformer(5, 6, 11, 5),
}
FORCED = {"mlp": mlp, "residual": residual_net, "recurrent": recurrent}


def scene(name: str) -> Scene:
    graph = (LONG | FORCED)[name]()
    return scene_of(graph, ends_shown(graph), rows=2 if name in FORCED else None)


def plan_of(graph: ParameterGraph, rows: int | None = None) -> Layout:
    shown = ends_shown(graph)
    return placed(graph, shown, links_of(graph), strokes_of(graph, shown), rows)[0]


@pytest.mark.parametrize("name", LONG)
def test_a_long_network_has_the_shape_of_a_page(name):
    found = scene(name)
    assert 1.0 < found.width / found.height < 2.6
    one = scene_of(LONG[name](), ends_shown(LONG[name]()), rows=1)
    assert one.width > 3 * one.height
    assert one.width > 2 * found.width


@pytest.mark.parametrize("make", [mlp, residual_net, recurrent, lambda: transformer(1, 4, 6, 5)])
def test_what_fits_stays_one_row(make):
    graph = make()
    assert set(plan_of(graph).lines) == {0}
    # And is drawn as if there were no rows.
    assert write_svg(scene_of(graph, all_shown(graph))) == write_svg(
        scene_of(graph, all_shown(graph), rows=1)
    )


@pytest.mark.parametrize("name", [*LONG, *FORCED])
def test_frames_never_overlap(name):
    boxes = [o.box for o in scene(name).outlines if not o.head]
    for (x, y, wide, high), (u, v, w, h) in combinations(boxes, 2):
        assert x + wide < u or u + w < x or y + high < v or v + h < y


@pytest.mark.parametrize("name", [*LONG, *FORCED])
def test_rows_lie_below_each_other(name):
    graph = (LONG | FORCED)[name]()
    plan = plan_of(graph, 2 if name in FORCED else None)
    assert len(plan.gutters) == plan.lines[-1] > 0
    for line, gutter in enumerate(plan.gutters):
        above = [plan.floor_of(f) for f in plan.frames.values() if f.line == line]
        below = [plan.roof_of(f) for f in plan.frames.values() if f.line == line + 1]
        assert max(above) < gutter < min(below)


@pytest.mark.parametrize("name", [*LONG, *FORCED])
def test_no_way_crosses_a_group_that_it_does_not_join(name):
    found = scene(name)
    boxes = [o.box for o in found.outlines if not o.head]
    for bunch in found.bunches:
        ends = bunch.points[:, [0, -1]]
        along = np.stack([on_way(bunch.points, t) for t in np.linspace(0, 1, 800)], axis=1)
        for x, y, wide, high in boxes:
            low, top = np.array([x, y]), np.array([x + wide, y + high])
            joined = ((ends > low) & (ends < top)).all(axis=2).any(axis=1)
            through = ((along > low) & (along < top)).all(axis=2).any(axis=1)
            assert not (through & ~joined).any()


@pytest.mark.parametrize("name", [*LONG, *FORCED])
def test_ways_in_gutters_never_lie_on_each_other(name):
    found = scene(name)
    long = {
        (k, *p[-1].tolist()): p
        for k, b in enumerate(found.bunches)
        for p in b.points
        if b.points.shape[1] > 4
    }
    runs = []
    for p in long.values():
        # The runs along rows; the others are upright, or at the height of a node.
        level = [(p[k, 0], p[k + 3, 0], p[k, 1]) for k in range(9, len(p) - 9, 3)
                 if abs(p[k, 1] - p[k + 3, 1]) < 1e-6]  # fmt: skip
        runs.append([(min(a, b), max(a, b), y) for a, b, y in level])
    assert runs
    for one, two in combinations(runs, 2):
        for (a, b, y), (c, d, z) in product(one, two):
            assert a > d - 2 or c > b - 2 or abs(y - z) > 2


@pytest.mark.parametrize("name", [*LONG, *FORCED])
def test_everything_is_inside_the_picture(name):
    found = scene(name)
    body = [m.at for m in found.marks] + [t.at for t in found.labels]
    for bunch in found.bunches:
        body += [tuple(p) for t in np.linspace(0, 1, 60) for p in on_way(bunch.points, t).tolist()]
    inside = [(x + found.left, y + found.top) for x, y in body]
    assert all(0 <= x <= found.width and 0 <= y <= found.height for x, y in inside)


def test_strokes_to_another_row_come_in_from_the_left():
    graph = chain(60)
    plan = plan_of(graph)
    found = scene("chain")
    far = [p for b in found.bunches if b.points.shape[1] > 4 for p in b.points]
    assert len(far) == 16 * plan.lines[-1]
    for way in far:
        assert way[0, 0] < way[1, 0]
        assert way[-2, 0] < way[-1, 0]
        assert way[0, 1] < way[-1, 1]


def test_bias_nodes_stay_with_what_they_feed():
    plan = plan_of(skips())
    rows = {int(n): int(line) for n, line in enumerate(plan.line)}
    graph = skips()
    for bundle in (b for b in graph.bundles if b.kind == "bias"):
        ends = [m.expand(bundle.shape).array() for m in (bundle.src, bundle.dst)]
        assert rows[int(ends[0][0])] == rows[int(ends[1][0])]


def test_ways_to_another_row_keep_clear_of_bias_nodes():
    found = scene("skips")
    marks = [m for m in found.marks if m.role == "bias"]
    ways = [b.points for b in found.bunches if b.points.shape[1] > 4]
    along = np.concatenate([on_way(p, t) for p in ways for t in np.linspace(0, 1, 800)])
    for mark in marks:
        assert np.linalg.norm(along - mark.at, axis=1).min() > mark.radius


def test_pictures_in_rows_are_the_same_each_time():
    graph = skips()
    assert write_svg(scene_of(graph, ends_shown(graph))) == write_svg(scene("skips"))


def test_golden_dot_of_two_rows():
    dot = write_dot(scene_of(mlp((2, 3, 1), values=False), all_shown(mlp((2, 3, 1))), rows=2))
    assert_golden("mlp_rows.dot", dot)


# ---- breaks


@given(st.data())
def test_breaks_make_as_many_rows_as_asked(data):
    columns = data.draw(st.integers(1, 30))
    gap = st.floats(40, 300)
    gaps = data.draw(st.lists(gap, min_size=columns - 1, max_size=columns - 1))
    crossing = data.draw(st.lists(st.floats(0, 500), min_size=columns, max_size=columns))
    count = data.draw(st.integers(1, columns))
    lines = broken(gaps, crossing, count)
    assert len(lines) == columns
    assert lines[0] == 0
    assert lines[-1] == count - 1
    assert set(np.diff(lines)) <= {0, 1}


def test_a_break_is_where_little_crosses():
    gaps, crossing = [100.0] * 19, [100.0] * 20
    assert broken(gaps, crossing, 2).index(1) == 10
    crossing[8] = 12.0
    assert broken(gaps, crossing, 2).index(1) == 8
    # But not at any price.
    crossing[8], crossing[2] = 100.0, 12.0
    assert broken(gaps, crossing, 2).index(1) > 5


def test_tall_networks_are_not_broken():
    assert too_long(3900, 200)
    assert not too_long(3900, 1300)
    assert not too_long(2000, 50)


@pytest.mark.parametrize("height", [60.0, 200.0, 500.0])
@pytest.mark.parametrize("width", [4000.0, 12000.0, 40000.0])
def test_the_number_of_rows_is_the_best(width, height):
    def size_of(count: int) -> tuple[float, float]:
        return width / count, count * (height + 100)

    def off(count: int) -> float:
        wide, high = size_of(count)
        return abs(math.log((wide + 150) / (high + 150) / 1.6))

    found = best_count(width, height, size_of)
    assert off(found) == min(map(off, range(2, 60)))

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons import Scene, all_shown, ends_shown, scene_of
from gmn_fx.drawing.neurons.columns import columns
from gmn_fx.drawing.neurons.corners import on_way, rounded
from tests.drawing.graphs import mlp, recurrent, residual_net, transformer

CASES = {
    "recurrent": recurrent,
    "residual": residual_net,
    "transformer": lambda: transformer(2, 4, 6, 5),
}


def drawn(name: str) -> Scene:
    graph = CASES[name]()
    return scene_of(graph, ends_shown(graph))


def runs(scene: Scene) -> list[tuple[float, float, float]]:
    """Left end, right end and height of the long level run of every way on a bus.

    Ways of one bundle to one target share it.
    """
    long = {
        (k, *p[-1].tolist()): p
        for k, b in enumerate(scene.bunches)
        if b.points.shape[1] == 22
        for p in b.points
    }
    return [(*sorted((p[9, 0], p[12, 0])), p[9, 1]) for p in long.values()]


@pytest.mark.parametrize("name", CASES)
def test_ways_on_buses_never_lie_on_each_other(name):
    found = runs(drawn(name))
    assert len(found) >= 3
    for (a, b, y), (c, d, z) in combinations(found, 2):
        if a < d - 1 and c < b - 1:
            assert abs(y - z) > 2


@pytest.mark.parametrize("name", CASES)
def test_no_way_on_a_bus_crosses_a_group_that_it_does_not_join(name):
    scene = drawn(name)
    frames = [o.box for o in scene.outlines if not o.head]
    for bunch in (b for b in scene.bunches if b.points.shape[1] == 22):
        along = np.concatenate([on_way(bunch.points, t) for t in np.linspace(0.02, 0.98, 300)])
        ends = bunch.points[:, [0, -1]].reshape(-1, 2)
        for x, y, wide, high in frames:
            if ((ends[:, 0] - x - wide / 2) ** 2 < 1).any() and (
                (ends[:, 1] > y) & (ends[:, 1] < y + high)
            ).any():
                continue
            inside = (along > [x, y]) & (along < [x + wide, y + high])
            assert not inside.all(axis=1).any()


def test_a_way_back_clears_only_what_it_passes():
    scene = drawn("recurrent")
    boxes = [o.box for o in scene.outlines]
    lowest = max(y + high for _, y, _, high in boxes)
    highest = min(y for _, y, _, _ in boxes)
    # Between the two inner columns nothing is as tall as the gates before them.
    tallest = min(boxes, key=lambda b: b[1])[0]
    near = [y for a, _, y in runs(scene) if a > tallest]
    assert near
    assert all(highest + 100 < y < lowest - 100 for y in near)


def test_ways_back_stay_close_to_the_picture():
    scene = drawn("recurrent")
    boxes = [o.box for o in scene.outlines]
    lowest = max(y + high for _, y, _, high in boxes)
    highest = min(y for _, y, _, _ in boxes)
    far = [max(y - lowest, highest - y) for _, _, y in runs(scene)]
    # Two ways back and the way to the outputs, four lanes each at most.
    assert max(far) < 75


def test_outputs_stand_in_the_last_column():
    graph = recurrent()
    place = columns(graph, links_of(graph))
    named = {g.name: place[i] for i, g in enumerate(graph.groups)}
    assert named["head"] == max(place.values())
    # And nothing else moved: gates are read after the state and the inputs.
    assert [place[i] for i in range(7)] == [0, 3, 0, 1, 1, 2, 4]


@pytest.mark.parametrize("name", CASES)
def test_no_way_crosses_what_is_written_between_columns(name):
    graph = CASES[name]()
    scene = scene_of(graph, all_shown(graph))
    texts = [t for t in scene.labels if t.pale]
    ways = [on_way(b.points, t) for b in scene.bunches for t in np.linspace(0.02, 0.98, 300)]
    along = np.concatenate(ways)
    for text in texts:
        half = 0.26 * text.size * len(text.text)
        inside = (abs(along[:, 0] - text.at[0]) < half) & (
            abs(along[:, 1] - text.at[1] + 3) < 0.3 * text.size
        )
        assert not inside.any(), text.text


def test_what_feeds_forward_has_no_bus():
    graph = mlp()
    assert not runs(scene_of(graph, all_shown(graph)))


def test_corners_are_round_and_stay_inside():
    way = np.array([[[0.0, 0.0], [40, 0], [40, 90], [200, 90], [200, 30], [260, 30]]])
    chain = rounded(way)
    assert chain.shape == (1, 22, 2)
    assert chain[0, 0].tolist() == [0, 0]
    assert chain[0, -1].tolist() == [260, 30]
    along = np.concatenate([on_way(chain, t) for t in np.linspace(0, 1, 200)])
    assert (along.min(axis=0) >= [0, 0]).all()
    assert (along.max(axis=0) <= [260, 90.001]).all()
    # Round: nothing comes close to a corner itself.
    near = [np.linalg.norm(along - corner, axis=1).min() for corner in way[0, 1:-1]]
    assert min(near) > 2


def test_a_way_without_height_is_a_line():
    way = np.array([[[0.0, 5.0], [40, 5], [40, 5], [80, 5], [80, 5], [120, 5]]])
    assert np.isfinite(rounded(way)).all()
    assert (rounded(way)[..., 1] == 5).all()

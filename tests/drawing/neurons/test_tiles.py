from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gmn_fx.drawing import draw, to_dot
from gmn_fx.drawing.neurons import all_shown, scene_of
from gmn_fx.drawing.neurons.tiles import grid_of
from gmn_fx.graph.indexmap import IndexMap
from tests.drawing.graphs import Maker, mlp, residual_net
from tests.drawing.pictures import of_class, parse


def conv(kernel: tuple[int, ...], inputs: int = 2, outputs: int = 3):
    make = Maker()
    data = make.pin(make.group("input", "input", inputs), 0)
    out = make.group("channel", "conv", outputs, "conv")
    make.dense(data, out, "conv.weight", "conv", kernel=kernel)
    return make.graph("conv")


def tiles_of(graph):
    return scene_of(graph, all_shown(graph)).tiles


@pytest.mark.parametrize(
    ("kernel", "grid"), [((3,), (1, 3)), ((3, 5), (3, 5)), ((2, 3, 3), (6, 3)), ((1, 1), None)]
)
def test_the_grid_is_the_kernel(kernel, grid):
    assert grid_of(conv(kernel).bundles[0]) == grid


def test_every_pair_of_channels_has_a_tile_of_its_kernel():
    graph = conv((3, 3))
    weight = torch.zeros(3, 2, 3, 3)
    weight[1, 0] = torch.tensor([[1.0, 0, 0], [0, -0.5, 0], [0, 0, 0.25]])
    tiles = tiles_of(replace(graph, values={"conv.weight": weight}))
    assert len(tiles) == 6
    shown = [t for t in tiles if any(strength for _, strength in t.cells)]
    assert len(shown) == 1
    assert shown[0].cells[0] == ("positive", 1.0)
    assert shown[0].cells[4] == ("negative", 0.5)
    assert shown[0].cells[8] == ("positive", 0.25)
    assert "conv.weight[1, 0, 0, 0] = 1" in shown[0].about


def test_tiles_do_not_overlap():
    for graph in (conv((3, 3)), conv((5, 5), 4, 8), residual_net()):
        tiles = tiles_of(graph)
        assert tiles
        boxes = [(*t.at, t.cell * t.cols, t.cell * len(t.cells) / t.cols) for t in tiles]
        for k, (x, y, wide, high) in enumerate(boxes):
            for u, v, w, h in boxes[k + 1 :]:
                assert u >= x + wide or x >= u + w or v >= y + high or y >= v + h


def test_tiles_of_a_depthwise_convolution_stand_in_one_column():
    graph = conv((3, 3), 3, 3)
    (bundle,) = graph.bundles
    shape = (3, 1, 3, 3)
    ends = (IndexMap(shape, start, (1, 0, 0, 0)) for start in (0, 3))
    view = IndexMap(shape, 0, (9, 9, 3, 1))
    label = IndexMap(shape, 0, (0, 0, 3, 1))
    src, dst = ends
    bundle = replace(bundle, shape=shape, src=src, dst=dst, view=view, label=label)
    slots = (replace(graph.slots[0], shape=shape),)
    tiles = tiles_of(replace(graph, slots=slots, bundles=(bundle,), values={}))
    assert len(tiles) == 3
    assert len({t.at[0] for t in tiles}) == 1


@pytest.mark.parametrize("graph", [conv((11, 11)), conv((3, 3), 40, 40), mlp()])
def test_kernels_that_do_not_fit_have_no_tiles(graph):
    assert not tiles_of(graph)


def test_tiles_without_values_are_grey():
    cells = {c for t in tiles_of(replace(conv((3, 3)), values={})) for c in t.cells}
    assert cells == {("parameter", 0.15)}


def test_a_nan_in_a_kernel_is_seen():
    weight = torch.ones(3, 2, 3, 3)
    weight[0, 0, 2, 1] = torch.nan
    tiles = tiles_of(replace(conv((3, 3)), values={"conv.weight": weight}))
    assert sum(c == ("not-finite", 1.0) for t in tiles for c in t.cells) == 1


def test_tiles_are_in_the_svg_and_in_the_dot():
    graph = conv((3, 3))
    # And one in the legend.
    assert len(of_class(parse(draw(graph, view="neuron")), "kernel")) == 6 + 1
    assert to_dot(graph, view="neuron").count("\tp") > 6 * 9 * 2

"""Hand-made graphs: small enough to check by eye, with every kind of map in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot

DONE = frozenset({"collapse-weight-sharing"})


def _slots(*entries: tuple[str, tuple[int, ...]], **options) -> tuple[Slot, ...]:
    out, offset = [], 0
    for name, shape in entries:
        out.append(Slot(name, shape, torch.float32, offset, **options.get(name, {})))
        offset += math.prod(shape)
    return tuple(out)


def _pinned(kind: str, op: str, start: int, size: int, pin: int, **more) -> Group:
    return Group(kind, op, start, size, label=IndexMap.arange(size), pin=IndexMap.constant(pin),
                 **more)  # fmt: skip


def _linear(op: str, slot: str, start: int, stop: int, rows: int, cols: int, **more) -> Bundle:
    """Weight [rows, cols] from nodes start.. to nodes stop.. ."""
    return Bundle("weight", op, (rows, cols), IndexMap((rows, cols), start, (0, 1)),
                  IndexMap((rows, cols), stop, (1, 0)), slot,
                  IndexMap((rows, cols), 0, (cols, 1)), **more)  # fmt: skip


def _bias(slot: str, node: int, stop: int, size: int, **more) -> Bundle:
    return Bundle("bias", "linear", (size,), IndexMap.constant(node, (size,)),
                  IndexMap.arange(size, stop), slot, IndexMap.arange(size), **more)  # fmt: skip


def make_mlp() -> ParameterGraph:
    """Linear(2, 3), relu, Linear(3, 1): nodes 0-1 in, 2 bias, 3-5 hidden, 6 bias, 7 out."""
    return ParameterGraph(
        name="mlp",
        slots=_slots(
            ("0.weight", (3, 2)), ("0.bias", (3,)), ("2.weight", (1, 3)), ("2.bias", (1,))
        ),
        groups=(
            _pinned("input", "input", 0, 2, 0, name="x"),
            Group("bias", "bias", 2, 1, 1, name="0", source="mlp.py:3"),
            Group("neuron", "linear", 3, 3, 1, name="0", source="mlp.py:3"),
            Group("bias", "bias", 6, 1, 2, name="2", source="mlp.py:5"),
            _pinned("neuron", "linear", 7, 1, 1, depth=2, name="2", source="mlp.py:5"),
        ),
        bundles=(
            _linear("linear", "0.weight", 0, 3, 3, 2, depth=1, name="0"),
            _bias("0.bias", 2, 3, 3, depth=1, name="0"),
            _linear("linear", "2.weight", 3, 7, 1, 3, depth=2, name="2",
                    history=IndexMap.constant(1)),
            _bias("2.bias", 6, 7, 1, depth=2, name="2"),
        ),
        histories=("", "relu"),
        notes=("batch size 2 was specialised",),
        meta={"capture": "symbolic", "style": "exact"},
        established=DONE,
    )  # fmt: skip


def make_conv() -> ParameterGraph:
    """Conv2d(2, 3, 2) with kernel labels, flatten into a linear with a table, buffers, unused."""
    kernel = (3, 2, 2, 2)
    flat = np.repeat(np.arange(3), 4)  # three channels of 2x2 positions
    return ParameterGraph(
        name="conv",
        slots=_slots(
            ("conv.weight", kernel), ("head.weight", (2, 12)), ("bn.running_mean", (3,)),
            ("bn.steps", ()), ("rows", (4, 2)),
            **{
                "bn.running_mean": {"trainable": False},
                "bn.steps": {"trainable": False, "used": False, "reason": "counts batches"},
                "conv.weight": {"aliases": ("twin.weight",)},
            },
        ),
        groups=(
            _pinned("input", "input", 0, 2, 0),
            Group("channel", "conv2d", 2, 3, 1),
            Group("neuron", "linear", 5, 2, 2),
            Group("constant", "constant", 7, 3, 0),
        ),
        bundles=(
            Bundle("weight", "conv2d", kernel, IndexMap(kernel, 0, (0, 1, 0, 0)),
                   IndexMap(kernel, 2, (1, 0, 0, 0)), "conv.weight",
                   IndexMap(kernel, 0, (8, 4, 2, 1)), label=IndexMap(kernel, 0, (0, 0, 2, 1)),
                   history=IndexMap.constant(1)),
            Bundle("weight", "linear", (2, 12), IndexMap.from_array(2 + flat).expand((2, 12)),
                   IndexMap((2, 12), 5, (1, 0)), "head.weight", IndexMap((2, 12), 0, (12, 1)),
                   label=IndexMap.from_array(np.arange(12) % 4).expand((2, 12)),
                   history=IndexMap.from_array(np.array([[2] * 6 + [0] * 6] * 2))),
            Bundle("running", "batch_norm", (3,), IndexMap.arange(3, 7), IndexMap.arange(3, 2),
                   "bn.running_mean", IndexMap.arange(3)),
            Bundle("weight", "linear", (2, 3), IndexMap((2, 3), 2, (0, 1)),
                   IndexMap((2, 3), 5, (1, 0)), "rows", IndexMap((2, 3), 0, (1, 2)), operand=1),
            Bundle("flow", "sum", (2,), IndexMap.constant(2), IndexMap.arange(2, 5), operand=0),
        ),
        histories=("", "stride 1", "relu"),
        unread=(("rows", 2),),
        established=DONE,
    )  # fmt: skip


def make_tied() -> ParameterGraph:
    """An embedding table [4, 3] that is the output matrix, too."""
    return ParameterGraph(
        name="tied",
        slots=_slots(("wte.weight", (4, 3)), **{"wte.weight": {"aliases": ("head.weight",)}}),
        groups=(
            _pinned("vocabulary", "embedding", 0, 4, 0),
            Group("neuron", "embedding", 4, 3, 1),
            _pinned("neuron", "linear", 7, 4, 1, depth=2),
        ),
        bundles=(
            Bundle("embedding", "embedding", (4, 3), IndexMap((4, 3), 0, (1, 0)),
                   IndexMap((4, 3), 4, (0, 1)), "wte.weight", IndexMap((4, 3), 0, (3, 1)),
                   tied=True),
            _linear("linear", "wte.weight", 4, 7, 4, 3, tied=True),
        ),
        established=DONE,
    )  # fmt: skip


def with_values(graph: ParameterGraph, seed: int = 0) -> ParameterGraph:
    """`graph` bound to random weights, one tensor for each slot and its aliases."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for slot in graph.slots:
        tensor = torch.randn(slot.shape, generator=generator)
        state.update({name: tensor for name in (slot.name, *slot.aliases)})
    return graph.bind(state)


MAKERS: dict[str, Callable[[], ParameterGraph]] = {
    "mlp": make_mlp, "conv": make_conv, "tied": make_tied
}  # fmt: skip


@pytest.fixture
def mlp() -> ParameterGraph:
    return make_mlp()


@pytest.fixture
def conv() -> ParameterGraph:
    return make_conv()


@pytest.fixture
def tied() -> ParameterGraph:
    return make_tied()


@pytest.fixture(params=list(MAKERS))
def any_graph(request: pytest.FixtureRequest) -> ParameterGraph:
    return MAKERS[request.param]()


@pytest.fixture
def bind_random() -> Callable[..., ParameterGraph]:
    return with_values


@pytest.fixture
def change() -> Callable[..., ParameterGraph]:
    """Replace fields of one bundle (by number)."""

    def apply(graph: ParameterGraph, number: int, **fields) -> ParameterGraph:
        bundles = list(graph.bundles)
        bundles[number] = replace(bundles[number], **fields)
        return replace(graph, bundles=tuple(bundles))

    return apply


@pytest.fixture
def mlp_model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))

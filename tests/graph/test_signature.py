from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import ParameterGraph


def test_p5_values_names_and_sources_do_not_matter(any_graph, bind_random):
    names = {s.name: f"other.{i}" for i, s in enumerate(any_graph.slots)}
    renamed = replace(
        any_graph,
        name="other",
        slots=tuple(replace(s, name=names[s.name], aliases=()) for s in any_graph.slots),
        groups=tuple(replace(g, name="m", source="a.py:1") for g in any_graph.groups),
        bundles=tuple(
            replace(b, name="m", slot=names[b.slot] if b.slot else None) for b in any_graph.bundles
        ),
        unread=tuple((names[n], c) for n, c in any_graph.unread),
        notes=("another",),
        meta={},
    )
    assert renamed.signature == any_graph.signature
    assert bind_random(any_graph).signature == any_graph.signature


def test_p5_order_of_the_state_dict_does_not_matter(any_graph):
    slots, offset = [], 0
    for slot in reversed(any_graph.slots):
        slots.append(replace(slot, offset=offset))
        offset += slot.numel
    turned = replace(any_graph, slots=tuple(slots))
    turned.verify()
    assert turned.signature == any_graph.signature


def test_numbers_of_histories_do_not_matter(mlp, change):
    more = replace(mlp, histories=("", "unused", "relu"))
    assert change(more, 2, history=IndexMap.constant(2)).signature == mlp.signature


def test_equal_maps_count_as_equal(conv, change):
    src = conv.bundles[0].src
    flat = IndexMap(src.shape, 0, (8, 4, 2, 1), src.array().reshape(-1).astype(np.int64))
    assert change(conv, 0, src=flat).signature == conv.signature
    history = conv.bundles[1].history
    wide = IndexMap(history.shape, 0, (12, 1), history.array().reshape(-1).copy())
    assert change(conv, 1, history=wide).signature == conv.signature


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "gain"},
        {"op": "conv2d"},
        {"depth": 7},
        {"operand": 1},
        {"tied": True},
        {"label": IndexMap.constant(1)},
        {"history": IndexMap.constant(1)},
        {"src": IndexMap((3, 2), 0, (0, 0))},
        {"view": IndexMap((3, 2), 0, (1, 3))},
        {"slot": "0.bias"},
    ],
    ids=lambda f: next(iter(f)),
)
def test_structure_matters(mlp, change, fields):
    assert change(mlp, 0, **fields).signature != mlp.signature


def test_text_of_histories_pins_and_unused_slots_matter(mlp, conv):
    assert replace(mlp, histories=("", "gelu")).signature != mlp.signature
    groups = (replace(mlp.groups[0], pin=IndexMap.constant(3)), *mlp.groups[1:])
    assert replace(mlp, groups=groups).signature != mlp.signature
    slots = tuple(replace(s, shape=(2,)) if s.name == "bn.steps" else s for s in conv.slots)
    assert replace(conv, slots=slots).signature != conv.signature


def test_p6_same_in_another_process(mlp):
    code = (
        "import sys; from gmn_fx.graph.model import ParameterGraph as P;"
        "g = P.parse(sys.stdin.read()); print(g.signature); print(g.to_text(), end='')"
    )
    for seed in ("1", "2"):
        out = subprocess.run(
            [sys.executable, "-c", code], input=mlp.to_text(), capture_output=True, text=True,
            check=True, env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert out.stdout == f"{mlp.signature}\n{mlp.to_text()}"


def test_parsed_graph_has_the_signature(any_graph):
    assert ParameterGraph.parse(any_graph.to_text()).signature == any_graph.signature

"""How long do pictures take, and how large are they?

    python -m benchmarks.bench_drawing [--repeat 7]

Layout of the neuron view on perceptrons of about 10,000 and 100,000 edges, beside networkx's
`multipartite_layout` of the same nodes and edges (positions only: no strokes, colours or
tooltips); the SVG text of it; the hybrid view of a wide perceptron and the architecture view of
GPT-2 (real size, structure only), from a graph in memory to SVG.
Bars: 0.1 s and 1 s for the layout, 0.5 s for GPT-2.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import networkx
import torch
from torch import nn

import gmn_fx
from benchmarks.measure import bar, cpu_seconds, emit, one_thread
from gmn_fx.drawing import draw, to_dot
from gmn_fx.drawing.neurons import all_shown, ends_shown, scene_of, write_svg
from tests.zoo.libraries import transformers


def perceptron(width: int) -> gmn_fx.ParameterGraph:
    """Three hidden layers of `width` neurons."""
    layers = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    return gmn_fx.extract(model, args=(torch.randn(1, width),))


def gpt2() -> gmn_fx.ParameterGraph:
    """GPT-2 small without weights."""
    library = transformers()
    with torch.device("meta"):
        model = library.GPT2LMHeadModel(library.GPT2Config()).eval()
    ids = torch.zeros(1, 8, dtype=torch.long, device="meta")
    return gmn_fx.extract(model, args=(ids,), name="GPT-2")


def median(work: Callable[[], object], repeat: int) -> float:
    """Median seconds of one call."""
    work()
    return statistics.median(cpu_seconds(work) for _ in range(repeat))


def neurons(width: int, repeat: int) -> dict[str, Any]:
    """The neuron view of a perceptron."""
    graph = perceptron(width)
    scene = scene_of(graph, all_shown(graph))
    other = graph.to_networkx()
    for number, group in enumerate(graph.groups):
        for node in range(group.start, group.start + group.size):
            other.nodes[node]["column"] = number
    layout = median(lambda: scene_of(graph, all_shown(graph)), repeat)
    positions = median(lambda: networkx.multipartite_layout(other, subset_key="column"), repeat)
    text = write_svg(scene)
    return {
        "picture": "neuron view, perceptron",
        "edges": graph.num_edges,
        "layout_ms": 1e3 * layout,
        "networkx, positions alone_ms": 1e3 * positions,
        "layout and SVG_ms": 1e3 * (layout + median(lambda: write_svg(scene), repeat)),
        "bytes an edge": len(text) / graph.num_edges,
    }


def whole(name: str, graph: gmn_fx.ParameterGraph, repeat: int, view: Any) -> dict[str, Any]:
    """From a graph to SVG."""
    shown = ends_shown if view == "hybrid" else None
    layout = (
        (lambda: scene_of(graph, shown(graph)))
        if shown
        else (lambda: to_dot(graph, view="architecture"))
    )
    return {
        "picture": name,
        "edges": graph.num_edges,
        "layout_ms": 1e3 * median(layout, repeat),
        "layout and SVG_ms": 1e3 * median(lambda: draw(graph, view=view), repeat),
        "SVG_kB": len(draw(graph, view=view)) / 1e3,
    }


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    one_thread()
    torch.manual_seed(0)
    small, large = neurons(68, repeat), neurons(222, repeat)
    language = gpt2()
    architecture = whole("architecture view, GPT-2", language, repeat, "architecture")
    wide = whole("hybrid view, perceptron 2,000 wide", perceptron(2000), repeat, "hybrid")
    bars = [
        bar("neuron layout, 10,000 edges", small["layout_ms"] / 1e3, 0.1, "s"),
        bar("neuron layout, 100,000 edges", large["layout_ms"] / 1e3, 1.0, "s"),
        bar("architecture view of GPT-2", architecture["layout and SVG_ms"] / 1e3, 0.5, "s"),
    ]
    emit("bench_drawing", [small, large, wide, architecture], bars, title="Pictures")


if __name__ == "__main__":
    main()

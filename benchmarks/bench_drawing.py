"""How long do pictures take, and how large are they?

    python -m benchmarks.bench_drawing [--repeat 7]

Layout of the neuron view on perceptrons of about 10,000 and 100,000 edges, beside networkx's
`multipartite_layout` of the same nodes and edges (positions only: no strokes, colours or
tooltips); the same for one of 100 layers, which is broken into rows; the SVG text of it; the
hybrid view of a wide perceptron and the architecture view of GPT-2 (real size, structure only),
from a graph in memory to SVG; GPT-2 with weights beside a copy with two changed layers: comparing,
then the picture and the page.
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
from gmn_fx.drawing.compare import compare, draw_comparison
from gmn_fx.drawing.compare.page import comparison_html
from gmn_fx.drawing.neurons import all_shown, ends_shown, scene_of, write_svg
from tests.zoo.libraries import transformers


def perceptron(width: int, layers: int = 2) -> gmn_fx.ParameterGraph:
    """Layers of `width` neurons and ten outputs."""
    hidden = [part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Linear(width, 10))
    return gmn_fx.extract(model, args=(torch.randn(1, width),))


def gpt2(device: str) -> gmn_fx.ParameterGraph:
    """GPT-2 small; without weights on the device `meta`."""
    library = transformers()
    with torch.device(device):
        model = library.GPT2LMHeadModel(library.GPT2Config()).eval()
    ids = torch.zeros(1, 8, dtype=torch.long, device=device)
    return gmn_fx.extract(model, args=(ids,), name="GPT-2")


def median(work: Callable[[], object], repeat: int) -> float:
    """Median seconds of one call."""
    work()
    return statistics.median(cpu_seconds(work) for _ in range(repeat))


def neurons(name: str, graph: gmn_fx.ParameterGraph, repeat: int) -> dict[str, Any]:
    """The neuron view."""
    scene = scene_of(graph, all_shown(graph))
    other = graph.to_networkx()
    for number, group in enumerate(graph.groups):
        for node in range(group.start, group.start + group.size):
            other.nodes[node]["column"] = number
    layout = median(lambda: scene_of(graph, all_shown(graph)), repeat)
    positions = median(lambda: networkx.multipartite_layout(other, subset_key="column"), repeat)
    text = write_svg(scene)
    return {
        "picture": f"neuron view, {name}",
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


def pair(repeat: int) -> dict[str, Any]:
    """GPT-2 and a copy that was trained on in two layers."""
    before = gpt2("cpu")
    values = {name: value.clone() for name, value in before.values.items()}
    for name in ("transformer.h.3.mlp.c_fc.weight", "transformer.h.7.attn.c_attn.weight"):
        values[name] = values[name] + 1e-3 * torch.randn_like(values[name])
    after = before.bind(values)
    found = compare(before, after)
    page = comparison_html(found)
    return {
        "picture": "comparison, GPT-2 with weights",
        "edges": before.num_edges,
        "compare_ms": 1e3 * median(lambda: compare(before, after), repeat),
        "layout and SVG_ms": 1e3
        * median(lambda: draw_comparison(found, view="architecture"), repeat),
        "SVG_kB": len(draw_comparison(found, view="architecture")) / 1e3,
        "page_ms": 1e3 * median(lambda: comparison_html(found), repeat),
        "page_kB": len(page) / 1e3,
    }


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    one_thread()
    torch.manual_seed(0)
    small = neurons("perceptron", perceptron(68), repeat)
    large = neurons("perceptron", perceptron(222), repeat)
    deep = neurons("perceptron of 100 layers", perceptron(31, 100), repeat)
    language = gpt2("meta")
    architecture = whole("architecture view, GPT-2", language, repeat, "architecture")
    wide = whole("hybrid view, perceptron 2,000 wide", perceptron(2000), repeat, "hybrid")
    bars = [
        bar("neuron layout, 10,000 edges", small["layout_ms"] / 1e3, 0.1, "s"),
        bar("neuron layout, 100,000 edges", large["layout_ms"] / 1e3, 1.0, "s"),
        bar("architecture view of GPT-2", architecture["layout and SVG_ms"] / 1e3, 0.5, "s"),
    ]
    rows = [small, large, deep, wide, architecture, pair(repeat)]
    emit("bench_drawing", rows, bars, title="Pictures")


if __name__ == "__main__":
    main()

"""How fast are the arrays beside a plain copy of them, and `bind` beside an extraction?

    python -m benchmarks.bench_arrays [--repeat 7] [--large]

materialise: all arrays of the graph into fresh memory, against a copy of the same arrays into
memory that is already mapped. bind: other weights on a known structure, against capture + build.
Bars: 2x from a million edges on; 100x.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import gmn_fx
from benchmarks.measure import bar, cpu_seconds, emit, interleaved, one_thread, summary
from gmn_fx.graph.arrays import materialise
from tests.zoo import libraries
from tests.zoo.case import Sample
from tests.zoo.dense import mlp
from tests.zoo.full import FULL_SIZE

MILLION = 1_000_000


def wide_mlp(width: int) -> Callable[[], Sample]:
    """Three layers with about 2 * width^2 edges."""
    return lambda: (mlp(width, width, width, 10), (torch.randn(1, width),), {})


def resnet18() -> Sample:
    """11.7 million parameters."""
    return libraries.torchvision_models().resnet18(), (torch.randn(1, 3, 224, 224),), {}


MODELS: dict[str, Callable[[], Sample]] = {
    "mlp-20": wide_mlp(20),
    "mlp-140": wide_mlp(140),
    "mlp-720": wide_mlp(720),
    "resnet18": resnet18,
}
LARGE = {"resnet50": lambda: FULL_SIZE["resnet50"].make("cpu")}


def copier(arrays: Any) -> Callable[[], object]:
    """A copy of all arrays into buffers that have been written before."""
    tensors = [arrays.x, arrays.edge_index, arrays.edge_type, arrays.edge_param, arrays.edge_value]
    # `edge_type` is stored by columns: copy what lies in memory.
    flat = [t.numpy() if t.is_contiguous() else t.T.numpy() for t in tensors]
    targets = [np.zeros_like(a) for a in flat]

    def copy() -> None:
        for target, source in zip(targets, flat, strict=True):
            np.copyto(target, source)

    return copy


def measure(name: str, make: Callable[[], Sample], repeat: int) -> dict[str, Any]:
    """All figures of one model."""
    model, args, kwargs = make()
    model.eval()
    gmn_fx.extract(model, args, kwargs)
    extraction = cpu_seconds(lambda: gmn_fx.extract(model, args, kwargs))
    graph = gmn_fx.extract(model, args, kwargs)
    state = model.state_dict()
    out: dict[str, Any] = {"model": name, "edges": graph.num_edges}
    for label, dtype in (("int64", np.int64), ("int32", np.int32)):
        arrays = materialise(graph, index_dtype=dtype)
        times = interleaved(
            {
                "materialise": lambda dtype=dtype: materialise(graph, index_dtype=dtype),
                "memcpy": copier(arrays),
            },
            repeat=repeat,
            warm_up=2,
        )
        del arrays
        pairs = zip(times["materialise"], times["memcpy"], strict=True)
        out[label] = {
            "materialise": summary(times["materialise"]),
            "memcpy": summary(times["memcpy"]),
            "ratio": statistics.median(a / b for a, b in pairs if b > 0),
        }
    many = 20
    binding = [
        cpu_seconds(lambda: [graph.bind(state) for _ in range(many)]) / many for _ in range(5)
    ]
    out["bind_seconds"] = summary(binding)
    out["extract_seconds"] = extraction
    out["bind_speedup"] = extraction / statistics.median(binding)
    return out


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="ResNet-50 too: about 5 GB of memory")
    options = parser.parse_args()
    one_thread()
    models = MODELS | LARGE if options.large else MODELS
    with torch.no_grad():
        results = [measure(name, make, options.repeat) for name, make in models.items()]
    bars = []
    for r in results:
        if r["edges"] >= MILLION:
            ratio = max(r["int64"]["ratio"], r["int32"]["ratio"])
            bars.append(bar(f"{r['model']}: materialise / warm memcpy", ratio, 2.0, "x"))
        # A bar is an upper limit: the share of an extraction that one bind takes.
        share = 100 / r["bind_speedup"]
        bars.append(bar(f"{r['model']}: bind / (capture + build)", share, 1.0, "%"))
    emit("bench_arrays", results, bars)


if __name__ == "__main__":
    main()

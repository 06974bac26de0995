"""The structure of Llama-3-70B without its weights: time and peak memory.

    python -m benchmarks.bench_meta_llama70b [--layers 80]

Bars: 2 GB, 3 minutes.
"""

from __future__ import annotations

import argparse
import time

import torch

import gmn_fx
from benchmarks.measure import bar, emit, max_resident, one_thread, structure_bytes
from tests.zoo.full import llama3_70b


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, default=80)
    options = parser.parse_args()
    one_thread()
    wall, cpu = time.perf_counter(), time.process_time()
    with torch.device("meta"):
        model, args, kwargs = llama3_70b(options.layers)
    graph = gmn_fx.extract(model.eval(), args, kwargs)
    seconds = time.perf_counter() - wall
    results = {
        "layers": options.layers,
        "parameters": sum(slot.numel for slot in graph.slots if slot.trainable),
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "bundles": len(graph.bundles),
        "structure_bytes": structure_bytes(graph),
        "wall_seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "peak_resident_bytes": max_resident(),
    }
    bars = [
        bar("Llama-3-70B on meta: wall time", seconds, 180.0, "s"),
        bar("Llama-3-70B on meta: peak resident memory", max_resident() / 1e9, 2.0, "GB"),
    ]
    emit("bench_meta_llama70b", results, bars)


if __name__ == "__main__":
    main()

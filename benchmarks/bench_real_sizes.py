"""How long does the graph of a published architecture take, and how large is its structure?

    python -m benchmarks.bench_real_sizes [--limit 240] [--table] [MODEL ...]

The most used architectures at their published sizes on the meta device, each in its own process:
CPU seconds of capture and of what follows it, bytes of the structure, peak resident memory of the
whole process. Bars: every model has a graph within the time limit; what follows the capture takes
no longer than the capture.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

import torch
from torch import nn

import gmn_fx
from benchmarks.bench_extract import extract
from benchmarks.measure import bar, emit, max_resident, one_thread, structure_bytes
from benchmarks.published import PUBLISHED, make
from benchmarks.report import table

LIMIT = 240.0
MEMORY = 12 * 2**30


def measure(name: str) -> dict[str, Any]:
    """All figures of one model, in this process."""
    one_thread()
    # A structure as large as the weights must end in an error, not in a machine out of memory.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Imports and caches of torch.export are paid by a model that is not measured.
    gmn_fx.extract(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), (torch.randn(1, 3, 4, 4),))
    watch, graph = extract(make(name))
    return {
        "model": name,
        "parameters": sum(slot.numel for slot in graph.slots if slot.trainable),
        "capture_seconds": watch.capture,
        "rest_seconds": watch.rest,
        "structure_MB": structure_bytes(graph) / 1e6,
        "peak_resident_MB": max_resident() / 1e6,
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "bundles": len(graph.bundles),
        "slowest_pass": max(watch.passes, key=lambda n: watch.passes[n]),
    }


def measured(name: str, limit: float) -> dict[str, Any]:
    """`measure` in a fresh process; a failure is a row as well."""
    print(f"  {name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.bench_real_sizes", "--measure", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"model": name, "failed": f"more than {limit:g} s"}
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line]
        return {"model": name, "failed": (lines or [f"exit code {done.returncode}"])[-1][:200]}
    return dict(json.loads(done.stdout))


def bars_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What must hold of all models at once."""
    failed = sum("failed" in row for row in rows)
    good = [row for row in rows if "failed" not in row]
    largest = max((row["rest_seconds"] / row["capture_seconds"] for row in good), default=None)
    return [
        bar(f"{len(rows)} published models: without a graph", failed, 0),
        bar("published models: largest (lowering + passes) / capture", largest, 1.0, "x"),
    ]


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all by default")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one model")
    parser.add_argument("--table", action="store_true", help="print Markdown instead of JSON")
    parser.add_argument("--measure", metavar="MODEL", help="one model in this very process")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    unknown = sorted(set(options.models) - set(PUBLISHED))
    if unknown:
        parser.error(f"unknown models {unknown}; there are {', '.join(PUBLISHED)}")
    rows = [measured(name, options.limit) for name in options.models or PUBLISHED]
    if options.table:
        print(table(rows))
    else:
        emit("bench_real_sizes", rows, bars_of(rows), title="Real sizes")


if __name__ == "__main__":
    main()

"""How dear is the graph beside its capture? ResNet-50, ViT-B/16, GPT-2 small at full size.

    python -m benchmarks.bench_extract [--repeat 3] [MODEL ...]

For each model: CPU time of capture and of what follows it (passes, lowering, build, verification),
their ratio, the memory of the structure, and the peak of extra memory in either part as a share
of the parameters' bytes. Bars: ratio 1, 1 MB, 5 %.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

import gmn_fx
from benchmarks.measure import PeakMemory, bar, emit, one_thread, structure_bytes, summary
from gmn_fx.api import Hooks
from tests.zoo.case import Sample
from tests.zoo.full import FULL_SIZE


@dataclass
class Watch:
    """Times and memory of one extraction, cut where capture ends."""

    memory: PeakMemory = field(default_factory=PeakMemory)
    began: float = 0.0
    capture: float = 0.0
    rest: float = 0.0
    capture_peak: int | None = None
    rest_peak: int | None = None
    passes: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str) -> None:
        """The capture begins."""
        if name == "capture":
            self.memory.start()
            self.began = time.process_time()

    def captured(self, program: object) -> None:
        """The capture ended; reading the memory does not count as work."""
        self.capture = time.process_time() - self.began
        self.capture_peak = self.memory.extra()
        self.memory.start()
        self.began = time.process_time()

    def after(self, name: str, ir: object, seconds: float, changed: bool) -> None:
        """Wall time of one pass."""
        self.passes[name] = self.passes.get(name, 0.0) + seconds

    def done(self) -> None:
        """The graph is there and verified."""
        self.rest = time.process_time() - self.began
        self.rest_peak = self.memory.extra()


def extract(sample: Sample) -> tuple[Watch, Any]:
    """One watched extraction."""
    model, args, kwargs = sample
    watch = Watch()
    gc.collect()
    hooks = Hooks(stage=watch.stage, captured=watch.captured, after=watch.after)
    graph = gmn_fx.extract(model, args, kwargs, hooks=hooks)
    watch.done()
    return watch, graph


def parameter_bytes(model: nn.Module) -> int:
    """Bytes of all parameters, tied ones once."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def measure(name: str, repeat: int) -> dict[str, Any]:
    """All figures of one model."""
    memory = peaks(name)
    sample = FULL_SIZE[name].make("cpu")
    extract(sample)
    runs = [extract(sample) for _ in range(repeat)]
    watches, graph = [watch for watch, _ in runs], runs[-1][1]
    size = parameter_bytes(sample[0])
    out: dict[str, Any] = {
        "model": name,
        "parameter_bytes": size,
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "bundles": len(graph.bundles),
        "structure_bytes": structure_bytes(graph),
        "capture_seconds": summary([w.capture for w in watches]),
        "rest_seconds": summary([w.rest for w in watches]),
        "ratio": statistics.median(w.rest / w.capture for w in watches),
        "pass_wall_seconds": {k: round(v, 4) for k, v in watches[-1].passes.items()},
    }
    for part, peak in memory.items():
        out[f"{part}_percent"] = None if peak is None else 100 * peak / size
    return out


def peaks(name: str) -> dict[str, int | None]:
    """Peak memory of the first extraction in a fresh process: later ones reuse what it freed."""
    command = [sys.executable, "-m", "benchmarks.bench_extract", "--peaks", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def print_peaks(name: str) -> None:
    """What `peaks` reads."""
    watch, _ = extract(FULL_SIZE[name].make("cpu"))
    print(json.dumps({"capture_peak": watch.capture_peak, "rest_peak": watch.rest_peak}))


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help=f"of {', '.join(FULL_SIZE)}; all by default")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peaks", metavar="MODEL", help="only the memory of one extraction")
    options = parser.parse_args()
    one_thread()
    # Imports and caches of torch.export are paid by a model that is not measured.
    gmn_fx.extract(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), (torch.randn(1, 3, 4, 4),))
    if options.peaks:
        print_peaks(options.peaks)
        return
    results = [measure(name, options.repeat) for name in options.models or FULL_SIZE]
    bars = []
    for r in results:
        name = r["model"]
        bars += [
            bar(f"{name}: (lowering + passes + build) / capture", r["ratio"], 1.0, "x"),
            bar(f"{name}: structure", r["structure_bytes"] / 1e6, 1.0, "MB"),
            bar(f"{name}: peak beside the capture", r["rest_peak_percent"], 5.0, "% of parameters"),
        ]
    emit("bench_extract", results, bars)


if __name__ == "__main__":
    main()

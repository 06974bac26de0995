"""How much faster are the executors than a plain edge list, with the same weights?

    python -m benchmarks.bench_gmn [--repeat 5] [--only "SIREN 32"] [--device cuda]

Baseline: the `reference` executor (PyG MessagePassing) on the same batch, in turns: CPU time on one
thread, or wall time on the device. Four layers of width 16, 32 and 64 with the default options
(messages in both directions, a global state); medians. Batches hold more networks at smaller
widths, so that a hidden layer of all edges has about 20 MB.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import gmn_fx
from benchmarks.measure import bar, clock_of, emit, interleaved, one_thread
from gmn_fx.gmn import GMN, GMNConfig, GraphBatch, Vocabulary


class Sine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(30 * x)


def siren(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, width), Sine(), nn.Linear(width, width), Sine(), nn.Linear(width, 1)
    )


def cnn(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(),
        nn.Conv2d(width, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, 10),
    )  # fmt: skip


# name -> network, its input, networks in a batch at width 64
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "SIREN 16": (lambda: siren(16), (4, 2), 64),
    "SIREN 32": (lambda: siren(32), (4, 2), 64),
    "SIREN 64": (lambda: siren(64), (4, 2), 16),
    "CNN 16": (lambda: cnn(16), (1, 1, 12, 12), 16),
    "CNN 32": (lambda: cnn(32), (1, 1, 12, 12), 4),
    "CNN 64": (lambda: cnn(64), (1, 1, 12, 12), 1),
    "one SIREN 16": (lambda: siren(16), (4, 2), 1),
    "one tiny MLP": (lambda: nn.Sequential(nn.Linear(2, 4), Sine(), nn.Linear(4, 1)), (4, 2), 1),
}
WIDTHS = (16, 32, 64)
EXECUTORS = ("reference", "flat", "dense", "stream", "auto")


def batch(name: str, width: int) -> GraphBatch:
    make, shape, count = CASES[name]
    first = gmn_fx.extract(make(), (torch.randn(shape),))
    if not name.startswith("one"):
        count *= 64 // width
    return GraphBatch.of([first.bind(make().state_dict()) for _ in range(count)])


def measure(name: str, width: int, repeat: int, device: str) -> dict[str, Any]:
    graphs = batch(name, width).to(device)
    torch.manual_seed(0)
    net = GMN(GMNConfig(hidden=width, layers=4), Vocabulary.fit(graphs.graphs[:1])).to(device)

    def run(executor: Any, backward: bool) -> Callable[[], object]:
        def work() -> None:
            net.executor = executor
            with torch.set_grad_enabled(backward):
                out = net.states(graphs).whole
                assert out is not None
                if backward:
                    out.square().sum().backward()

        return work

    row: dict[str, Any] = {"networks": f"{len(graphs)} x {name}", "width": width}
    row["edges"] = len(graphs) * graphs.structure.num_edges
    row["auto"] = net.explain(graphs).partition(":")[0]
    for what, backward in (("forward", False), ("forward+backward", True)):
        works = {ex: run(ex, backward) for ex in EXECUTORS}
        times = interleaved(works, repeat=repeat, clock=clock_of(device))
        middle = {ex: statistics.median(t) for ex, t in times.items()}
        for ex in EXECUTORS[1:]:
            row[f"{what}, reference / {ex}"] = middle["reference"] / middle[ex]
        row[f"{what}, graphs/s (auto)"] = len(graphs) / middle["auto"]
    return row


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", help="one of the networks")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    one_thread()
    rows = [
        measure(name, width, options.repeat, options.device)
        for name in CASES
        if options.only in (None, name)
        for width in WIDTHS
    ]
    large = [r for r in rows if not r["networks"].startswith("1 x one")]
    bars = []
    for what in ("forward", "forward+backward"):
        ratios = [1 / r[f"{what}, reference / dense"] for r in large]
        bars.append(bar(f"{what}, dense / reference, on batches", max(ratios, default=None), 0.1))
        ratios = [1 / r[f"{what}, reference / auto"] for r in rows]
        bars.append(bar(f"{what}, auto / reference, on anything", max(ratios, default=None), 1.0))
    title = "The metanet: executors beside a plain edge list"
    emit("bench_gmn", rows, bars, title=title)


if __name__ == "__main__":
    main()

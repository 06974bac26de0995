"""How much memory does a metanet take on a large network, and how long?

    python -m benchmarks.bench_gmn_memory [--only gpt2]

Every row is a process of its own: resident memory above what the graph, its values, the metanet and
its optimiser take, CPU seconds of the second pass (GPT-2: of the only one) on one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.measure import PeakMemory, bar, cpu_seconds, emit, one_thread
from tests.zoo import libraries


def wide_mlp() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    net = nn.Sequential(
        nn.Linear(64, 980), nn.ReLU(), nn.Linear(980, 980), nn.ReLU(), nn.Linear(980, 10)
    )
    return net, (torch.randn(2, 64),)


def resnet18() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return libraries.torchvision_models().resnet18().eval(), (torch.randn(1, 3, 64, 64),)


def gpt2() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    hf = libraries.transformers()
    return hf.GPT2Model(hf.GPT2Config()).eval(), (torch.randint(0, 1000, (1, 8)),)


NETWORKS: dict[str, Callable[[], tuple[nn.Module, tuple[torch.Tensor, ...]]]] = {
    "MLP of a million edges": wide_mlp, "ResNet-18": resnet18, "GPT-2 small": gpt2,
}  # fmt: skip
# network, executor, width, layers, whether it trains
CASES: tuple[tuple[str, str, int, int, bool], ...] = (
    ("MLP of a million edges", "reference", 16, 4, True),
    ("MLP of a million edges", "dense", 16, 4, True),
    ("MLP of a million edges", "stream", 16, 4, True),
    ("ResNet-18", "stream", 16, 4, True),
    ("ResNet-18", "stream", 64, 4, True),
    ("GPT-2 small", "stream", 16, 3, False),
    ("GPT-2 small", "stream", 16, 3, True),
)


def measure(name: str, executor: Any, width: int, layers: int, train: bool) -> dict[str, Any]:
    """One row, in this process."""
    import gmn_fx
    from gmn_fx.gmn import GMNConfig, GraphBatch, InvariantGMN, Vocabulary

    one_thread()
    torch.manual_seed(0)
    net, args = NETWORKS[name]()
    graph = gmn_fx.extract(net, args)
    batch = GraphBatch.of([graph])
    config = GMNConfig(hidden=width, layers=layers)
    model = InvariantGMN(config, Vocabulary.fit([graph]), 1, executor=executor)
    model.gmn.plan(graph)
    optimiser = torch.optim.Adam(model.parameters())

    def step() -> None:
        with torch.set_grad_enabled(train):
            out = model(batch)
            if train:
                out.sum().backward()
                optimiser.step()
                optimiser.zero_grad()

    if graph.num_edges < 2e7:
        step()
    memory = PeakMemory()
    memory.start()
    seconds = cpu_seconds(step)
    extra = memory.extra()
    return {
        "network": name, "edges": graph.num_edges, "executor": executor, "width": width,
        "layers": layers, "what": "training step" if train else "forward",
        "CPU s": seconds, "peak MB": None if extra is None else extra / 1e6,
    }  # fmt: skip


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="part of the name of a network")
    parser.add_argument("--row", type=int, help="measure one row in this process")
    options = parser.parse_args()
    if options.row is not None:
        json.dump(measure(*CASES[options.row]), sys.stdout)
        return
    rows = []
    for i, case in enumerate(CASES):
        if options.only is None or options.only.lower() in case[0].lower():
            command = [sys.executable, "-m", "benchmarks.bench_gmn_memory", "--row", str(i)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout))
    found = {(r["network"], r["executor"], r["width"], r["what"]): r for r in rows}

    def ratio(column: str, over: str) -> float | None:
        pair = [
            found.get(("MLP of a million edges", ex, 16, "training step"))
            for ex in ("stream", over)
        ]
        a, b = (None if r is None else r[column] for r in pair)
        return None if a is None or b is None else a / b

    def figure(network: str, width: int, what: str, column: str) -> float | None:
        row = found.get((network, "stream", width, what))
        return None if row is None else row[column]

    bars = [
        bar("stream / reference, peak of a training step", ratio("peak MB", "reference"), 0.01),
        bar("stream / dense, time of a training step", ratio("CPU s", "dense"), 2.0),
        bar(
            "ResNet-18, training step, width 64",
            figure("ResNet-18", 64, "training step", "peak MB"),
            200,
            "MB",
        ),
        bar("GPT-2 small, forward", figure("GPT-2 small", 16, "forward", "peak MB"), 300, "MB"),
        bar("GPT-2 small, forward", figure("GPT-2 small", 16, "forward", "CPU s"), 20, "s"),
    ]
    emit("bench_gmn_memory", rows, bars, title="The metanet: memory on large networks")


if __name__ == "__main__":
    main()

"""How fast is the metanet beside published ones, on the same INRs in the same process?

    git clone https://github.com/cptq/graph_metanetworks CHECKOUT/gmn
    git clone https://github.com/AllanYangZhou/nfn CHECKOUT/nfn
    PEERS=CHECKOUT python -m benchmarks.bench_peers [--repeat 5]

64 INRs 2-32-32-1, hidden width 64, four layers; one thread, CPU time, medians.
Peers whose checkout is not there are left out. None of their code is part of gmn-fx; the official
GMN asks for torch_scatter, for whose `scatter` that of torch_geometric stands in. It is run as
released (edges and nodes, no global state), ours beside it without one and with the default
options.
The settings of the allocator are those of the process: run it with
`MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184` as well, which keeps the
temporaries of edge lists from being given back to the system after each use.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import gmn_fx
from benchmarks.bench_gmn import siren
from benchmarks.measure import bar, emit, interleaved, one_thread
from gmn_fx.gmn import GMNConfig, GraphBatch, InvariantGMN, Vocabulary

COUNT, WIDTH, LAYERS = 64, 64, 4
Forward = Callable[[], torch.Tensor]


def ours(nets: list[nn.Module], **options: Any) -> Forward:
    """Our invariant head on a stacked batch."""
    graph = gmn_fx.extract(nets[0], (torch.randn(4, 2),))
    batch = GraphBatch.of([graph.bind(net.state_dict()) for net in nets])
    config = GMNConfig(hidden=WIDTH, layers=LAYERS, **options)
    model = InvariantGMN(config, Vocabulary.fit([graph]), 8)
    return lambda: model(batch)


def official(root: Path, nets: list[nn.Module], *, undirected: bool) -> Forward:
    """The released GMN (EdgeMPNN-DiT) on a PyG batch of its own graphs."""
    from torch_geometric.data import Batch, Data
    from torch_geometric.utils import scatter

    stand_in = types.ModuleType("torch_scatter")
    stand_in.scatter = scatter  # type: ignore[attr-defined]
    for name in ("scatter_max", "scatter_add", "scatter_mean"):
        setattr(stand_in, name, None)
    sys.modules.setdefault("torch_scatter", stand_in)
    sys.path.insert(0, str(root))
    from gmn.feature_extractor_gmn import GraphPredGen  # type: ignore[import-not-found]
    from gmn.graph_construct.model_arch_graph import (  # type: ignore[import-not-found]
        arch_to_graph,
        sequential_to_arch,
    )

    data = []
    for net in nets:
        plain = nn.Sequential(*[m for m in net.children() if isinstance(m, nn.Linear)])
        x, edge_index, edge_attr = arch_to_graph(sequential_to_arch(plain))
        data.append(Data(x=x.float(), edge_index=edge_index, edge_attr=edge_attr.float()))
    batch = Batch.from_data_list(data)
    model = GraphPredGen("empnn_dit", WIDTH, LAYERS, undirected=undirected)
    return lambda: model(batch.x, batch.edge_index, batch.edge_attr.detach(), batch.batch)


def neural_functional(root: Path, nets: list[nn.Module], kind: str) -> Forward:
    """An NFN of the same width and depth on stacked tensors."""
    sys.path.insert(0, str(root))
    from nfn import layers  # type: ignore[import-not-found]
    from nfn.common import (  # type: ignore[import-not-found]
        WeightSpaceFeatures,
        network_spec_from_wsfeat,
        state_dict_to_tensors,
    )

    rows = [state_dict_to_tensors(net.state_dict()) for net in nets]
    sides = zip(*rows, strict=True)
    stacked = ([torch.stack(c) for c in zip(*side, strict=True)] for side in sides)
    features = WeightSpaceFeatures(*stacked)
    spec = network_spec_from_wsfeat(features)
    linear = partial(layers.NPLinear, io_embed=True) if kind == "NP" else layers.HNPLinear
    stack: list[nn.Module] = [linear(spec, 1, WIDTH)]
    for _ in range(LAYERS - 1):
        stack += [layers.TupleOp(nn.ReLU()), linear(spec, WIDTH, WIDTH)]
    stack += [layers.TupleOp(nn.ReLU()), layers.HNPPool(spec), nn.Flatten(start_dim=-2)]
    model = nn.Sequential(*stack, nn.Linear(WIDTH * layers.HNPPool.get_num_outs(spec), 8))
    return lambda: model(features)


def contenders(root: Path | None, nets: list[nn.Module]) -> dict[str, Forward]:
    """Name -> its forward pass."""
    out: dict[str, Forward] = {
        "ours, directed, no global state": ours(nets, directions="forward", global_state=False),
        "ours, both directions, no global state": ours(nets, global_state=False),
        "ours, default options": ours(nets),
    }
    if root is not None and (root / "gmn").is_dir():
        out["official GMN, directed"] = official(root / "gmn", nets, undirected=False)
        out["official GMN, both directions"] = official(root / "gmn", nets, undirected=True)
    if root is not None and (root / "nfn").is_dir():
        out["NFN-NP"] = neural_functional(root / "nfn", nets, "NP")
        out["NFN-HNP"] = neural_functional(root / "nfn", nets, "HNP")
    return out


def timed(forward: Forward, *, backward: bool) -> Callable[[], None]:
    """One pass."""

    def work() -> None:
        with torch.set_grad_enabled(backward):
            out = forward()
            if backward:
                out.square().sum().backward()

    return work


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    one_thread()
    torch.manual_seed(0)
    nets = [siren(32) for _ in range(COUNT)]
    place = os.environ.get("PEERS")
    runs = contenders(Path(place) if place else None, nets)
    rows: list[dict[str, Any]] = [{"metanet": name} for name in runs]
    speed: dict[str, float] = {}
    for what, backward in (("forward", False), ("forward+backward", True)):
        works = {name: timed(run, backward=backward) for name, run in runs.items()}
        times = interleaved(works, repeat=options.repeat)
        for row in rows:
            speed[row["metanet"]] = COUNT / statistics.median(times[row["metanet"]])
            row[f"{what}, graphs/s"] = speed[row["metanet"]]
    bars = []
    for ours_name, theirs, limit in (
        ("ours, directed, no global state", "official GMN, directed", 1 / 8),
        ("ours, both directions, no global state", "official GMN, both directions", 1 / 8),
        ("ours, default options", "NFN-NP", 1.0),
        ("ours, default options", "NFN-HNP", 1.0),
    ):
        ratio = speed[theirs] / speed[ours_name] if theirs in speed else None
        bars.append(bar(f"forward+backward, {theirs} / {ours_name}", ratio, limit))
    emit("bench_peers", rows, bars, title="The metanet beside published ones")


if __name__ == "__main__":
    main()

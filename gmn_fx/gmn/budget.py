"""Which executor `auto` takes: by the bytes that each would need."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmn_fx.gmn.batch import GraphBatch
from gmn_fx.gmn.config import GMNConfig

# Numbers of one hidden layer of all edges (see benchmarks/bench_gmn.py). Up to here a training step
# is the calls of torch, of which the plain form has the fewest ...
_LEAST = 2**13
# ... and up to here the loop over blocks costs more than it saves.
_SMALL = 2**17
_SMALL_BLOCKS = 128


@dataclass(frozen=True)
class Choice:
    """An executor and why it was taken."""

    executor: str
    reason: str


def choose(
    config: GMNConfig, graphs: GraphBatch, device: torch.device, *, grad: bool, memory: int | None
) -> Choice:
    """The executor of a batch of one architecture.

    The plain or the flat one for a few small blocks; the dense one where what it keeps, a hidden
    layer of every edge for every layer, fits into `memory` bytes (None: half of what is free); else
    the streaming one.
    """
    structure = graphs.structure
    count = len(graphs) * structure.num_edges
    small = f"{count} edges in {len(structure.bundles)} bundles"
    if on_edge_list(config, count, grad=grad) == "reference":
        return Choice("reference", small)
    if count * config.hidden < _SMALL or count < _SMALL_BLOCKS * len(structure.bundles):
        return Choice("flat", small)
    need = count * config.hidden * 4 * (config.layers + 1 if grad else 1)
    limit = _free(device) // 2 if memory is None else memory
    if need <= limit:
        return Choice(
            "dense", f"{_mb(need)} for hidden layers of {count} edges, {_mb(limit)} allowed"
        )
    return Choice(
        "stream", f"hidden layers of {count} edges would need {_mb(need)} of {_mb(limit)}"
    )


def on_edge_list(config: GMNConfig, edges: int, *, grad: bool) -> str:
    """The executor of an edge list."""
    return "reference" if grad and edges * config.hidden < _LEAST else "flat"


def _free(device: torch.device) -> int:
    """Bytes of memory that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            table = dict(line.split(":", 1) for line in lines)
        return int(table["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 4 * 2**30


def _mb(count: int) -> str:
    return f"{count / 2**20:,.0f} MB"

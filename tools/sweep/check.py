"""Everything that is checked of one model: P1 to P7, and the oracle."""

from __future__ import annotations

import resource
import time
from typing import Any

import torch
from torch import nn

import gmn_fx
from gmn_fx.errors import GmnError
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry import verify
from tests.zoo.case import Case, Sample
from tools.sweep.row import Row

_REASON = 600


def check(case: Case, *, seeds: int = 3, quick: bool = False) -> Row:
    """Extract and verify `case`; whatever goes wrong is in the row, never raised.

    seeds: automorphisms that the oracle tries, each on fresh weights. quick: the oracle alone.
    """
    begin = time.perf_counter()
    torch.set_num_threads(1)
    row: dict[str, Any] = {"name": case.name}
    try:
        sample = case.make()
        row |= {"status": "refused"}
        graph = _extract(sample, row)
        row |= {"status": "wrong"}
        problems = _problems(case, sample, graph, seeds, quick)
        row |= {"reason": "; ".join(problems)[:_REASON]} if problems else {"status": "verified"}
    except GmnError as error:
        row["reason"] = str(error)[:_REASON]
    except Exception as error:
        row["status"] = "failed"
        row["reason"] = f"{type(error).__name__}: {error}"[:_REASON]
    return Row(**row, total=round(time.perf_counter() - begin, 2))


def _extract(sample: Sample, row: dict[str, Any]) -> ParameterGraph:
    before, begin = _peak(), time.perf_counter()
    graph = gmn_fx.extract(*sample)
    row |= {
        "seconds": round(time.perf_counter() - begin, 2),
        "peak_mb": round((_peak() - before) / 2**20, 1),
        "rung": graph.meta["capture"],
        "parameters": graph.num_parameters,
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "signature": graph.signature,
    }
    return graph


def _peak() -> int:
    """Largest resident size of this process so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _problems(
    case: Case, sample: Sample, graph: ParameterGraph, seeds: int, quick: bool
) -> list[str]:
    """What does not hold; P1 and P7 were verified by the extraction itself."""
    model, args, kwargs = sample
    report = verify(model, graph, args, kwargs, seeds=seeds, controls=False)
    found = [f"oracle: {problem}" for problem in report.problems]
    return found if quick else [*found, *_exactness(sample, graph), *_purity(case, sample, graph)]


def _exactness(sample: Sample, graph: ParameterGraph) -> list[str]:
    """P2: the values come back bit for bit; the text parses back to the same structure."""
    found = []
    state = {k: v for k, v in sample[0].state_dict().items() if torch.is_tensor(v)}
    back = graph.to_state_dict()
    for name, value in state.items():
        if name in back and not _same_bits(value, back[name]):
            found.append(f"P2: {name} does not come back as it was")
    if ParameterGraph.parse(graph.to_text()).to_text() != graph.to_text():
        found.append("P2: the text does not parse back")
    shuffled = dict(reversed(graph.to_state_dict().items()))
    if graph.bind(shuffled).signature != graph.signature:
        found.append("P5: the structure depends on the order of the state_dict")
    return found


def _same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    pair = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (left, right))
    return torch.equal(*pair)


def _purity(case: Case, sample: Sample, graph: ParameterGraph) -> list[str]:
    """P5 and P6: other weights, another batch and size, a second run: the same structure."""
    other = case.make(batch=3 if case.batched else 2, size=case.resized, seed=1)
    _same_wiring(sample[0], other[0])
    again = gmn_fx.extract(*other)
    if again.signature == graph.signature:
        return []
    changed = f"batch {3 if case.batched else 2}, size {case.resized or case.size}"
    return [f"P5: another structure with other weights and {changed}"]


def _same_wiring(model: nn.Module, other: nn.Module) -> None:
    """Copy the integer buffers: a permutation that is drawn at construction is architecture."""
    known = dict(model.named_buffers())
    for name, value in other.named_buffers():
        mine = known.get(name)
        integer = mine is not None and not (mine.is_floating_point() or mine.is_complex())
        if mine is not None and integer and mine.shape == value.shape:
            value.copy_(mine)

"""Extract, prove, and take information away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import gmn_fx
from gmn_fx import Bundle, Group, IndexMap, OracleReport, ParameterGraph
from gmn_fx.symmetry import verify as run_oracle

Chosen = Callable[[Bundle], bool]


def rand(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def graph_of(model: nn.Module, *args: Any) -> ParameterGraph:
    return gmn_fx.extract(model.eval(), args)


def report_of(model: nn.Module, graph: ParameterGraph, *args: Any, seeds: int = 3) -> OracleReport:
    return gmn_fx.verify(model, graph, args, seeds=seeds)


def proved(model: nn.Module, *args: Any) -> tuple[ParameterGraph, OracleReport]:
    """The graph of a model, once the oracle agrees."""
    graph = graph_of(model, *args)
    return graph, report_of(model, graph, *args, seeds=2).raise_if_failed()


def refuted(model: nn.Module, graph: ParameterGraph, *args: Any) -> bool:
    """Whether the oracle finds the graph wrong; a few more tries before it is believed."""
    return not all(run_oracle(model, graph, args, {}, seeds=n, controls=False).ok for n in (2, 6))


def groups(graph: ParameterGraph, kind: str = "", op: str = "") -> list[Group]:
    return [g for g in graph.groups if kind in ("", g.kind) and op in ("", g.op)]


def sizes(graph: ParameterGraph) -> dict[str, list[int]]:
    """kind/op -> sizes of the groups."""
    out: dict[str, list[int]] = {}
    for g in graph.groups:
        out.setdefault(f"{g.kind}/{g.op}", []).append(g.size)
    return out


def counts(graph: ParameterGraph) -> dict[str, int]:
    """kind/op -> number of bundles."""
    out: dict[str, int] = {}
    for b in graph.bundles:
        out[f"{b.kind}/{b.op}"] = out.get(f"{b.kind}/{b.op}", 0) + 1
    return out


def on(graph: ParameterGraph, slot: str) -> list[Bundle]:
    """The bundles that carry `slot`."""
    return [b for b in graph.bundles if b.slot == slot]


def labels(b: Bundle) -> list[Any]:
    return b.label.expand(b.shape).array().squeeze().tolist()


def nodes(m: IndexMap) -> set[int]:
    return set(m.array().reshape(-1).tolist())


def histories(graph: ParameterGraph, b: Bundle) -> set[str]:
    return {graph.histories[i] for i in nodes(b.history.expand(b.shape))}


def forget(graph: ParameterGraph, what: str, chosen: Chosen = lambda b: True) -> ParameterGraph:
    """`graph` without one kind of information on the chosen edges."""
    blank: dict[str, Any] = {
        "label": IndexMap.constant(-1),
        "history": IndexMap.constant(0),
        "operand": -1,
    }
    bundles = (replace(b, **{what: blank[what]}) if chosen(b) else b for b in graph.bundles)
    return replace(graph, bundles=tuple(bundles))


def forget_sites(graph: ParameterGraph) -> ParameterGraph:
    """Histories as they were before `site a to b` was added."""
    texts = [h.rpartition("site ")[0].removesuffix(" > ") for h in graph.histories]
    back = [h if "site " not in h else t for h, t in zip(graph.histories, texts, strict=True)]
    table = {
        i: (graph.histories.index(t) if t in graph.histories else i) for i, t in enumerate(back)
    }
    assert table != {i: i for i in table}, "no site to forget"

    def mapped(m: IndexMap) -> IndexMap:
        values = m.array()
        flat = torch.tensor([table[i] for i in values.reshape(-1).tolist()])
        return IndexMap.from_array(flat.numpy().reshape(values.shape))

    bundles = tuple(replace(b, history=mapped(b.history)) for b in graph.bundles)
    return replace(graph, bundles=bundles)


def unpin(graph: ParameterGraph, chosen: Callable[[Group], bool]) -> ParameterGraph:
    """The chosen nodes set free."""
    free = IndexMap.constant(-1)
    out = (replace(g, label=free, pin=free) if chosen(g) else g for g in graph.groups)
    return replace(graph, groups=tuple(out))


def orbits(report: OracleReport, kind: str, op: str) -> list[tuple[tuple[int, int], ...]]:
    """Orbit sizes ((size, how many), ...) of the groups made by `op`."""
    return [row.sizes for row in report.orbits if (row.kind, row.op) == (kind, op)]


def titles(report: OracleReport, kind: str, op: str) -> list[str]:
    return [row.title for row in report.orbits if (row.kind, row.op) == (kind, op)]

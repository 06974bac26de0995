"""The end of a graph without functions: no histories, and what was not built by its rules noted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from gmn_fx.graph.indexmap import distinct
from gmn_fx.graph.model import NO_HISTORY, Bundle, ParameterGraph
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin

# What the paper has a construction for; everything else comes from the exact one.
_KINDS = frozenset({"input", "bias", "neuron", "channel"})
_OPS = re.compile(
    r"input|linear|matmul( left)?|einsum|conv[123]d|bias|(batch|layer|group|instance|rms)_norm .*"
)


@plugin.register_pass
@dataclass(frozen=True)
class ForgetHistories(Pass):
    """Leave out what happens on the way along an edge, and note where the graph is exact.

    style: what `graph.meta["style"]` says.

    Edges without parameters that are equal then are one edge. A note lists the operations that the
    construction of the paper does not know and that were lowered exactly.

    Before::

        graph 1 "twice"
        established collapse-weight-sharing
        history 1 = "site 1 to 0"
        slot "w" float32 [2, 2]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/linear [2]
        %2 = neuron/add [2] label=(:) pin=1
        weight/linear [2, 2] "w"(:, :) %0(_, :) -> %1(:, _)
        flow/add [2] %1(:) -> %2(:)
        flow/add [2] %1(:) -> %2(:) history=1

    After::

        graph 1 "twice"
        meta "style" = "paper"
        note "the paper has no construction for add: its exact nodes are used"
        established collapse-weight-sharing
        slot "w" float32 [2, 2]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/linear [2]
        %2 = neuron/add [2] label=(:) pin=1
        weight/linear [2, 2] "w"(:, :) %0(_, :) -> %1(:, _)
        flow/add [2] %1(:) -> %2(:)
    """

    name: ClassVar[str] = "forget-histories"
    level: ClassVar[Level] = "graph"
    requires: ClassVar[frozenset[str]] = frozenset({"collapse-weight-sharing"})

    style: str = "paper"

    def apply(self, ir: ParameterGraph) -> PassResult:
        """Erase histories; mark the graph."""
        if ir.meta.get("style") == self.style and ir.histories == ("",):
            return PassResult(ir, changed=False)
        bundles = tuple(_once(replace(b, history=NO_HISTORY) for b in ir.bundles))
        graph = replace(
            ir,
            bundles=bundles,
            histories=("",),
            notes=(*ir.notes, *_notes(ir)),
            meta={**ir.meta, "style": self.style},
        )
        return PassResult(graph, changed=True)


def _once(bundles: Iterable[Bundle]) -> Iterable[Bundle]:
    """Every bundle without parameters once."""
    seen: dict[tuple[object, ...], list[Bundle]] = {}
    for b in bundles:
        if b.slot is None:
            key = (b.kind, b.op, b.shape, b.operand, b.src.bounds(), b.dst.bounds())
            twins = seen.setdefault(key, [])
            if any((b.src, b.dst, b.label) == (t.src, t.dst, t.label) for t in twins):
                continue
            twins.append(b)
        yield b


def _notes(graph: ParameterGraph) -> list[str]:
    unknown = {g.op for g in graph.groups if g.kind not in _KINDS or not _OPS.fullmatch(g.op)}
    notes = []
    if unknown:
        notes.append(
            f"the paper has no construction for {', '.join(sorted(unknown))}: "
            "its exact nodes are used"
        )
    layers = [b for b in graph.bundles if b.kind == "weight" and b.slot is not None]
    flat = {b.name or b.op for b in layers if not b.op.startswith("conv") and _labelled(b)}
    if flat:
        notes.append(
            "the paper has no construction for a layer that reads a neuron at several places: "
            f"labelled edges as in the exact graph ({', '.join(sorted(flat))})"
        )
    grouped = {b.name or b.op for b in layers if b.op.startswith("conv") and not _complete(b)}
    if grouped:
        notes.append(
            "the paper has no construction for grouped convolutions: edges within groups, as in "
            f"the exact graph ({', '.join(sorted(grouped))})"
        )
    return notes


def _labelled(b: Bundle) -> bool:
    return b.label.bounds()[1] >= 0


def _complete(b: Bundle) -> bool:
    """Whether every source reaches every destination."""
    src, dst = (m.expand(b.shape) for m in (b.src, b.dst))
    sides = zip(b.shape, src.strides, dst.strides, strict=True)
    pairs = math.prod(n for n, s, d in sides if s or d)
    return pairs >= len(distinct(src.core())) * len(distinct(dst.core()))

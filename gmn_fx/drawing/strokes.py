"""The edges of the neuron view: parallel edges as one stroke, coloured and sized by value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gmn_fx.drawing import palette
from gmn_fx.drawing.text import plural, tooltip, value
from gmn_fx.graph.model import Bundle, ParameterGraph, Slot

# Values of one stroke that a tooltip lists.
LISTED = 9
# Kinds of bundles whose values set the scale of widths, where there are any.
_MAIN = frozenset({"weight", "embedding"})


@dataclass(frozen=True)
class Stroke:
    """All edges of one bundle between two nodes."""

    src: int
    dst: int
    bundle: int
    edges: int
    color: str
    width: float
    opacity: float
    dash: str
    about: str


def strokes_of(graph: ParameterGraph) -> tuple[list[Stroke], float]:
    """Strokes, weak ones first inside a bundle, and the magnitude that is drawn at full width."""
    slots = {s.name: s for s in graph.slots}
    numbers = [_values(graph, b) for b in graph.bundles]
    # Gains and running variances are near 1 and would fade the weights, which are smaller.
    main = [n for n, b in zip(numbers, graph.bundles, strict=True) if n and b.kind in _MAIN]
    top = _reference(main) or _reference([n for n in numbers if n]) or 1.0
    # Many strokes make a carpet: draw each of them thinner.
    total = sum(math.prod(b.shape) for b in graph.bundles)
    thin = max(0.4, min(1.0, math.sqrt(400 / max(1, total))))
    out: list[Stroke] = []
    for index, (bundle, values) in enumerate(zip(graph.bundles, numbers, strict=True)):
        made = _strokes(graph, index, bundle, values, slots, (top, thin))
        out.extend(sorted(made, key=lambda s: s.width))
    return out, top


def _values(graph: ParameterGraph, bundle: Bundle) -> list[complex] | None:
    """The bundle's values in row-major order; None without values."""
    tensor = graph.values.get(bundle.slot or "")
    if tensor is None or bundle.view is None or tensor.is_meta:
        return None
    index = torch.from_numpy(np.array(bundle.view.expand(bundle.shape).array()).reshape(-1))
    flat = tensor.detach().reshape(-1)[index.to(tensor.device)].cpu()
    wide = torch.complex128 if flat.is_complex() else torch.float64
    return flat.to(wide).tolist()


def _reference(numbers: Sequence[Sequence[complex]]) -> float:
    """98th percentile of the magnitudes: one outlier should not fade all other edges."""
    sizes = sorted(abs(v) for values in numbers for v in values if _finite(v) and v)
    return sizes[min(len(sizes) - 1, int(0.98 * len(sizes)))] if sizes else 0.0


def _finite(number: complex) -> bool:
    return math.isfinite(number.real) and math.isfinite(number.imag)


def _strokes(
    graph: ParameterGraph,
    index: int,
    bundle: Bundle,
    values: Sequence[complex] | None,
    slots: dict[str, Slot],
    scale: tuple[float, float],
) -> list[Stroke]:
    src = bundle.src.expand(bundle.shape).array().reshape(-1).tolist()
    dst = bundle.dst.expand(bundle.shape).array().reshape(-1).tolist()
    together: dict[tuple[int, int], list[int]] = {}
    for k, ends in enumerate(zip(src, dst, strict=True)):
        together.setdefault(ends, []).append(k)
    slot = slots.get(bundle.slot or "")
    cls = palette.edge_class(bundle.kind, bundle.slot is not None, slot is None or slot.trainable)
    past = bundle.history.expand(bundle.shape).array().reshape(-1).tolist()
    names = _names(bundle, slot)
    out = []
    for (a, b), members in together.items():
        shown = [values[k] for k in members] if values is not None else []
        given = [f" = {value(v)}" for v in shown[:LISTED]] or [""] * LISTED
        history = graph.histories[past[members[0]]]
        about = tooltip(
            *(names[k] + given[n] for n, k in enumerate(members[:LISTED]) if names),
            f"and {len(members) - LISTED} more" if len(members) > LISTED else "",
            plural(len(members), "parallel edge") if len(members) > 1 else "",
            f"{bundle.kind} of {bundle.op}" if bundle.op else bundle.kind,
            f"operand {bundle.operand}" if bundle.operand >= 0 else "",
            f"after {history}" if history else "",
        )
        out.append(Stroke(a, b, index, len(members), *_look(cls, shown, *scale), about))
    return out


def _names(bundle: Bundle, slot: Slot | None) -> list[str]:
    """`fc1.weight[3, 0]` for every edge; empty on parameter-free bundles."""
    if slot is None or bundle.view is None:
        return []
    elements = bundle.view.expand(bundle.shape).array().reshape(-1)
    if not slot.shape:
        return [slot.name] * elements.size
    places = np.stack(np.unravel_index(elements, slot.shape), axis=1).tolist()
    return [f"{slot.name}[{', '.join(map(str, place))}]" for place in places]


def _look(
    cls: str, shown: Sequence[complex], top: float, thin: float
) -> tuple[str, float, float, str]:
    """Colour, width, opacity and dash of a stroke with the values `shown`."""
    style = palette.EDGES[cls]
    if not shown:
        return style.color, round(0.9 * thin, 2), 0.55 if cls == "parameter" else 0.8, style.dash
    if not all(_finite(v) for v in shown):
        return palette.NOT_FINITE, 2.8, 1.0, "2 2"
    strongest = max(shown, key=abs)
    share = min(1.0, abs(strongest) / top)
    color = palette.NEGATIVE if strongest.real < 0 else palette.POSITIVE
    dash = "6 2" if cls == "buffer" else ""
    return color, round(thin * (0.5 + 2.3 * share), 2), round(0.25 + 0.7 * share, 2), dash

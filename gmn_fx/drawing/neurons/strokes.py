"""Edges as strokes: parallel edges are one stroke, coloured by sign and sized by magnitude."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gmn_fx.drawing import palette
from gmn_fx.drawing.neurons.selection import Edges, edges_between
from gmn_fx.drawing.neurons.shown import Shown
from gmn_fx.drawing.values import read, tensor_on
from gmn_fx.graph.model import Bundle, ParameterGraph

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64] | npt.NDArray[np.complex128]

# Widths that are told apart; strokes of one width share their attributes in the file.
LEVELS = 12
# Classes of strokes: by sign where there are values, else by what the bundle carries.
CLASSES = (*palette.SIGNS, *palette.EDGES)
# Kinds of bundles whose values set the scale of widths, where there are any.
_MAIN = frozenset({"weight", "embedding"})


@dataclass(frozen=True)
class Strokes:
    """The drawn strokes of one bundle, weak ones first; arrays of one length but for `order`.

    src, dst: node ids. edges, values: of all edges between drawn nodes. Stroke k stands for the
    edges `order[first[k] : first[k] + count[k]]`. cls: index into `CLASSES`. level: width, from 0
    to `LEVELS - 1`; all of them 0 without values. total: edges of the bundle, drawn or not.
    """

    bundle: int
    src: Array
    dst: Array
    edges: Edges
    values: Numbers | None
    order: Array
    first: Array
    count: Array
    cls: Array
    level: Array
    total: int

    def __len__(self) -> int:
        return len(self.src)

    def members(self, stroke: int) -> Array:
        """Positions in `edges` of the edges of a stroke."""
        at = int(self.first[stroke])
        return self.order[at : at + int(self.count[stroke])]

    @property
    def drawn(self) -> int:
        """Edges that the strokes stand for."""
        return int(self.count.sum())


@dataclass(frozen=True)
class Drawn:
    """All strokes, a bundle each; reference: magnitude that is drawn at full width (0: no values).

    thin: factor on all widths: many strokes make a carpet, so each of them is thinner.
    """

    strokes: tuple[Strokes, ...]
    reference: float
    thin: float

    def width(self, level: int, valued: bool) -> float:
        """Width of a stroke in pixels."""
        share = level / (LEVELS - 1)
        return round(self.thin * (0.5 + 2.3 * share) if valued else 0.9 * self.thin, 2)

    def opacity(self, level: int, valued: bool, cls: str) -> float:
        """Opacity of a stroke, 0 to 1."""
        if not valued:
            return 0.55 if cls == "parameter" else 0.8
        return round(0.25 + 0.7 * level / (LEVELS - 1), 2)


def strokes_of(graph: ParameterGraph, shown: Shown) -> Drawn:
    """The strokes of every bundle between drawn nodes."""
    found = [edges_between(b, shown.mask) for b in graph.bundles]
    values = [values_of(graph, b, e.element) for b, e in zip(graph.bundles, found, strict=True)]
    # Gains and running variances are near 1 and would fade the weights, which are smaller.
    main = [
        v for v, b in zip(values, graph.bundles, strict=True) if v is not None and b.kind in _MAIN
    ]
    reference = _reference(main) or _reference([v for v in values if v is not None])
    trainable = {s.name: s.trainable for s in graph.slots}
    out = []
    for number, (bundle, edges, numbers) in enumerate(
        zip(graph.bundles, found, values, strict=True)
    ):
        cls = palette.edge_class(
            bundle.kind, bundle.slot is not None, trainable.get(bundle.slot or "", True)
        )
        out.append(_strokes(number, bundle, edges, numbers, cls, reference, shown.strokes))
    total = sum(len(s) for s in out)
    thin = max(0.3, min(1.0, math.sqrt(400 / max(1, total))))
    return Drawn(tuple(out), reference, thin)


def values_of(graph: ParameterGraph, bundle: Bundle, element: Array) -> Numbers | None:
    """Values of the elements of the bundle's slot; None without values."""
    tensor = tensor_on(graph, bundle)
    if tensor is None:
        return None
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    return np.asarray(read(tensor, element).to(wide).numpy())


def _reference(numbers: list[Numbers]) -> float:
    """98th percentile of the magnitudes: one outlier should not fade all other edges."""
    if not numbers:
        return 0.0
    sizes = np.concatenate([np.abs(n) for n in numbers])
    sizes = np.sort(sizes[np.isfinite(sizes) & (sizes > 0)])
    return float(sizes[min(len(sizes) - 1, int(0.98 * len(sizes)))]) if len(sizes) else 0.0


def _strokes(
    number: int,
    bundle: Bundle,
    edges: Edges,
    values: Numbers | None,
    cls: str,
    reference: float,
    most: int | None,
) -> Strokes:
    size = np.zeros(len(edges)) if values is None else np.abs(values)
    # A value that is not finite is the first thing that a reader wants to see.
    size = np.where(np.isfinite(size), size, np.inf)
    order, first, count = _parallel(edges, size)
    strongest = order[first]
    kind, level = _look(strongest, values, size, cls, reference)
    keep = _kept(size[strongest], most)
    keep = keep[np.lexsort((kind[keep], level[keep]))]
    return Strokes(
        number,
        edges.src[strongest][keep],
        edges.dst[strongest][keep],
        edges,
        values,
        order,
        first[keep],
        count[keep],
        kind[keep],
        level[keep],
        math.prod(bundle.shape),
    )


def _parallel(edges: Edges, size: npt.NDArray[np.float64]) -> tuple[Array, Array, Array]:
    """Edges sorted by their ends, the strongest first, and where each pair of ends begins."""
    if not len(edges):
        none = np.zeros(0, dtype=np.int64)
        return none, none, none
    key = edges.src * (int(edges.dst.max()) + 1) + edges.dst
    order = np.lexsort((-size, key))
    ordered = key[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return order, first, np.diff(np.append(first, len(ordered)))


def _look(
    strongest: Array,
    values: Numbers | None,
    size: npt.NDArray[np.float64],
    cls: str,
    reference: float,
) -> tuple[Array, Array]:
    """Class and level of each stroke, by its strongest edge."""
    if values is None:
        plain = np.full(len(strongest), CLASSES.index(cls))
        return plain, np.zeros(len(strongest), dtype=np.int64)
    magnitude = size[strongest]
    share = np.minimum(1.0, magnitude / (reference or 1.0))
    kind = np.where(
        values.real[strongest] < 0, CLASSES.index("negative"), CLASSES.index("positive")
    )
    kind = np.where(np.isinf(magnitude), CLASSES.index("not-finite"), kind)
    return kind, np.rint(share * (LEVELS - 1)).astype(np.int64)


def _kept(size: npt.NDArray[np.float64], most: int | None) -> Array:
    """The `most` strongest strokes; evenly spread ones where all are alike."""
    if most is None or len(size) <= most:
        return np.arange(len(size))
    if not size.any():
        return np.unique(np.linspace(0, len(size) - 1, most).astype(np.int64))
    return np.sort(np.argsort(-size, kind="stable")[:most])

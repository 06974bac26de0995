"""Which module is framed around each box of the architecture view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gmn_fx.drawing.fold import ALWAYS_SHOWN, HELPERS, Box, Path
from gmn_fx.graph.model import ParameterGraph

# Boxes in a frame. A larger module is framed only if it is more than a list of framed modules.
SMALLEST, LARGEST = 3, 24


def frames_of(
    graph: ParameterGraph, boxes: Sequence[Box], arrows: Iterable[tuple[int, int]]
) -> list[Path]:
    """The module framed around each box, () for none.

    Modules that hold at least three boxes (not counting helpers) are framed. One level of frames
    only, the outermost: nested ones make dot lay a chain out as a staircase.
    """
    helper = [not b.folded and graph.groups[b.groups[0]].kind in HELPERS for b in boxes]
    homes = [_home(graph, b) for b in boxes]
    for src, dst in arrows:
        if helper[src]:
            # A bias node stands where the group stands that it feeds.
            homes[src] = homes[dst]
    sizes: Counter[Path] = Counter()
    for home, small in zip(homes, helper, strict=True):
        if not small:
            sizes.update(home[:n] for n in range(1, len(home) + 1))
    framed = _worth_framing(sizes, helper.count(False))
    return [
        next((home[:n] for n in range(1, len(home) + 1) if home[:n] in framed), ())
        for home in homes
    ]


def _home(graph: ParameterGraph, box: Box) -> Path:
    """The module inside which the box may be framed."""
    if graph.groups[box.groups[0]].kind in ALWAYS_SHOWN:
        return ()
    return box.path[:-1] if box.folded else box.path


def _worth_framing(sizes: Counter[Path], shown: int) -> set[Path]:
    """A frame around nearly everything, or a large one around little but frames, says nothing."""
    framed = {p for p, n in sizes.items() if SMALLEST <= n <= 0.8 * shown}
    inside: Counter[Path] = Counter()
    for path in framed:
        inside[path[:-1]] += sizes[path]
    return {p for p in framed if sizes[p] <= LARGEST or inside[p] < 0.7 * sizes[p]}

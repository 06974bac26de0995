"""Frames of the architecture view: modules and repeated blocks around the boxes in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gmn_fx.drawing.fold import ALWAYS_SHOWN, Path
from gmn_fx.drawing.plan import Plan
from gmn_fx.drawing.repeats import Run

# Boxes in a frame of a module, at least.
SMALLEST = 2


@dataclass(frozen=True)
class Frame:
    """A module, or the first block of a run. path: the module that names inside are relative to."""

    path: Path
    run: Run | None = None


def frames_of(plan: Plan) -> list[tuple[Frame, ...]]:
    """The frames around each box, outermost first."""
    around = [tuple(_around(plan, n)) for n in range(len(plan.boxes))]
    for square, target in plan.beside.items():
        # A bias node stands where the group stands that it feeds.
        around[square] = around[target]
    inside: dict[Frame, list[int]] = {}
    for n, frames in enumerate(around):
        for frame in frames:
            inside.setdefault(frame, []).append(n)
    mains = {f: [n for n in boxes if not plan.helper(n)] for f, boxes in inside.items()}
    kept = {f for f, main in mains.items() if f.run or len(main) >= SMALLEST}
    # Of two frames around the same boxes, the run is kept, else the inner one.
    for frames in set(around):
        for outer, inner in _pairs([f for f in frames if f in kept]):
            if mains[outer] == mains[inner]:
                kept.discard(inner if outer.run and not inner.run else outer)
    return [tuple(f for f in frames if f in kept) for frames in around]


def held_back(plan: Plan, around: Sequence[tuple[Frame, ...]]) -> list[tuple[int, int]]:
    """(box before, box) for boxes in frames that no arrow leads to.

    Their rank is free; one that slips above what its frame is entered from makes dot lay out
    frames side by side that could stand below each other.
    """
    entered: dict[Frame, dict[int, None]] = {}
    fed = {n for n in plan.beside}
    for arrow in plan.arrows:
        if arrow.src not in plan.beside and arrow.src != arrow.dst:
            fed.add(arrow.dst)
            for frame in around[arrow.dst]:
                if frame not in around[arrow.src]:
                    entered.setdefault(frame, {})[arrow.src] = None
    out: list[tuple[int, int]] = []
    for n, frames in enumerate(around):
        inner = next((f for f in reversed(frames) if f in entered), None)
        if n not in fed and inner is not None:
            out.extend((before, n) for before in entered[inner])
    return out


def _pairs(frames: list[Frame]) -> Iterator[tuple[Frame, Frame]]:
    for k, outer in enumerate(frames):
        for inner in frames[k + 1 :]:
            yield outer, inner


def _around(plan: Plan, number: int) -> list[Frame]:
    box = plan.boxes[number]
    if plan.graph.groups[box.groups[0]].kind in ALWAYS_SHOWN:
        return []
    home = box.path[:-1] if box.folded else box.path
    runs = {
        len(plan.runs[r].parent) + 1: plan.runs[r]
        for r, boxes in plan.framed.items()
        if number in boxes
    }
    out = []
    for level in range(1, max([len(home), *runs]) + 1):
        if level in runs:
            run = runs[level]
            whole = run.items == 1 and len(run.first) == level
            out.append(Frame(run.first if whole else run.parent, run))
            if whole:
                continue
        if level <= len(home):
            out.append(Frame(home[:level]))
    return out

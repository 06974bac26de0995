"""What the architecture view shows: boxes, arrows between them, and which of them repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gmn_fx.drawing import palette
from gmn_fx.drawing.fold import HELPERS, Box, boxes_of
from gmn_fx.drawing.links import Link, links_of
from gmn_fx.drawing.overlay import Change, Overlay
from gmn_fx.drawing.repeats import Folding, Run, fold_repeats, unfolded
from gmn_fx.graph.model import ParameterGraph

# With more boxes than this, bias nodes and statistics are named in the box that they serve.
CROWDED = 44
# With more arrows than this for each box, nobody can follow one: modules fold further.
TANGLED = 4


@dataclass(frozen=True)
class Arrow:
    """All links of one class between two boxes."""

    src: int
    dst: int
    style: str
    change: Change | None
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Plan:
    """The picture before it is written down.

    beside: number of a bias box -> the box that it stands beside. repeated: number of a box -> the
    runs that it stands for alone. framed: run -> numbers of its boxes, where there are several.
    inside: number of a box -> all groups that it stands for, those of repeated blocks too.
    carried: number of a box -> links with parameters that lead into it, or stay in it and are drawn
    by no arrow.
    """

    graph: ParameterGraph
    overlay: Overlay
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    runs: tuple[Run, ...] = ()
    beside: dict[int, int] = field(default_factory=dict)
    repeated: dict[int, list[Run]] = field(default_factory=dict)
    framed: dict[int, list[int]] = field(default_factory=dict)
    inside: tuple[tuple[int, ...], ...] = ()
    carried: tuple[tuple[Link, ...], ...] = ()

    def helper(self, number: int) -> bool:
        """Whether a box is a bias node, a statistic or a constant."""
        box = self.boxes[number]
        return not box.folded and self.graph.groups[box.groups[0]].kind in HELPERS


def plan_of(
    graph: ParameterGraph,
    max_boxes: int,
    depth: int | None,
    fold: bool,
    overlay: Overlay | None,
) -> Plan:
    """Choose boxes and arrows."""
    overlay = overlay or Overlay()
    every = links_of(graph)
    folding = fold_repeats(graph, every, overlay, depth) if fold else unfolded(graph, every)
    boxes, where, arrows = _chosen(graph, folding, overlay, max_boxes, depth)
    hidden = _Hidden(folding, boxes, where)
    counted = hidden.parameters(every)
    carried: list[list[Link]] = [[] for _ in boxes]
    for link in folding.links:
        if link.parameters:
            carried[where[link.dst]].append(link)
    boxes = [replace(box, parameters=counted[n]) for n, box in enumerate(boxes)]
    plan = Plan(graph, overlay, tuple(boxes), arrows, folding.runs)
    repeated, framed = _runs(plan, where, folding, hidden)
    return replace(
        plan,
        beside=_beside(plan),
        repeated=repeated,
        framed=framed,
        inside=hidden.groups(),
        carried=tuple(map(tuple, carried)),
    )


def _chosen(
    graph: ParameterGraph, folding: Folding, overlay: Overlay, limit: int, depth: int | None
) -> tuple[list[Box], dict[int, int], tuple[Arrow, ...]]:
    """Boxes, the box of each group, arrows: fewer boxes than fit where the arrows are a tangle."""
    shown = set(folding.shown.values())
    while True:
        boxes = boxes_of(graph, limit, shown=shown, depth=depth)
        boxes = _with_helpers(graph, boxes, folding.links, overlay)
        where = {group: n for n, box in enumerate(boxes) for group in box.groups}
        arrows = _arrows(graph, boxes, where, folding.links, overlay)
        clear = len(arrows) <= TANGLED * len(boxes)
        if clear or depth is not None or len(boxes) > limit or len(boxes) <= CROWDED:
            return boxes, where, arrows
        limit = len(boxes) - 1


class _Hidden:
    """Groups of repeated blocks inside a box that holds the whole run."""

    def __init__(self, folding: Folding, boxes: Sequence[Box], where: dict[int, int]) -> None:
        self._folding = folding
        self._boxes = boxes
        self._where = where
        self._by: dict[int, list[Run]] = {}
        for run in folding.runs:
            for block in run.members[1:]:
                for group in block:
                    self._by.setdefault(group, []).append(run)

    def holds(self, box: Box, run: Run) -> bool:
        """Whether `box` stands for a module that holds all blocks of `run`."""
        at = box.path[:-1] if box.last else box.path
        return box.folded and run.parent[: len(at)] == at

    def box_of(self, group: int) -> int:
        """Number of the box that counts `group`, -1 if it is a repeat that no box counts."""
        number = self._where[self._folding.shown[group]]
        box = self._boxes[number]
        return number if all(self.holds(box, r) for r in self._by.get(group, ())) else -1

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """All groups that each box counts; its own come first."""
        out = [list(box.groups) for box in self._boxes]
        for group in sorted(self._folding.shown.keys() - self._where.keys()):
            if (at := self.box_of(group)) >= 0:
                out[at].append(group)
        return tuple(map(tuple, out))

    def parameters(self, links: Sequence[Link]) -> Counter[int]:
        """Parameters inside a box or on links that lead into it."""
        out: Counter[int] = Counter()
        for link in links:
            if link.parameters:
                out[self.box_of(link.dst)] += link.parameters
        return out


def _loop(box: Box, link: Link) -> bool:
    """Whether a link from a box to itself is drawn: a recurrent group."""
    return not box.folded and link.src == link.dst


def _with_helpers(
    graph: ParameterGraph, boxes: Sequence[Box], links: Sequence[Link], overlay: Overlay
) -> list[Box]:
    """Bias nodes that serve one box are one box; in a crowded picture all helpers join it."""
    where = {group: n for n, box in enumerate(boxes) for group in box.groups}
    serves: dict[int, set[int]] = {}
    for link in links:
        serves.setdefault(where[link.src], set()).add(where[link.dst])
    crowded = len(boxes) > CROWDED
    joined: dict[int, list[int]] = {}
    gone: set[int] = set()
    first: dict[object, int] = {}
    for n, box in enumerate(boxes):
        kind = graph.groups[box.groups[0]].kind
        targets = serves.get(n, set()) - {n}
        if box.folded or kind not in HELPERS or len(targets) != 1:
            continue
        target = min(targets)
        change = overlay.groups.get(box.groups[0])
        if crowded and change is None and graph.groups[boxes[target].groups[0]].kind not in HELPERS:
            into = target
        elif _square(graph, box):
            into = first.setdefault((target, kind, change), n)
        else:
            continue
        if into != n:
            joined.setdefault(into, []).extend(box.groups)
            gone.add(n)
    return [
        replace(box, groups=(*box.groups, *joined.get(n, ())))
        for n, box in enumerate(boxes)
        if n not in gone
    ]


def _square(graph: ParameterGraph, box: Box) -> bool:
    """Whether `box` is drawn as a small square."""
    return all(
        graph.groups[i].kind in ("bias", "constant") and graph.groups[i].size == 1
        for i in box.groups
    )


def _arrows(
    graph: ParameterGraph,
    boxes: Sequence[Box],
    where: dict[int, int],
    links: Sequence[Link],
    overlay: Overlay,
) -> tuple[Arrow, ...]:
    trainable = {s.name: s.trainable for s in graph.slots}
    out: dict[tuple[int, int, str, Change | None], list[Link]] = {}
    for link in links:
        bundle = graph.bundles[link.bundle]
        src, dst = where[link.src], where[link.dst]
        if src == dst and not _loop(boxes[src], link):
            continue
        has_slot = bundle.slot is not None
        style = palette.edge_class(bundle.kind, has_slot, trainable.get(bundle.slot or "", True))
        out.setdefault((src, dst, style, overlay.bundles.get(link.bundle)), []).append(link)
    return tuple(Arrow(*key, tuple(found)) for key, found in out.items())


def _beside(plan: Plan) -> dict[int, int]:
    """Small squares that serve one box stand beside it."""
    out: dict[int, set[int]] = {}
    into: set[int] = set()
    for arrow in plan.arrows:
        out.setdefault(arrow.src, set()).add(arrow.dst)
        into.add(arrow.dst)
    return {
        n: min(targets)
        for n, targets in out.items()
        if len(targets) == 1 and n not in into and _square(plan.graph, plan.boxes[n])
    }


def _runs(
    plan: Plan, where: dict[int, int], folding: Folding, hidden: _Hidden
) -> tuple[dict[int, list[Run]], dict[int, list[int]]]:
    repeated: dict[int, list[Run]] = {}
    framed: dict[int, list[int]] = {}
    for number, run in enumerate(folding.runs):
        found = sorted({where[folding.shown[g]] for g in run.members[0]})
        main = [n for n in found if not plan.helper(n)]
        if any(hidden.holds(plan.boxes[n], run) for n in found):
            continue
        if len(main) == 1:
            repeated.setdefault(main[0], []).append(run)
        else:
            framed[number] = found
    return repeated, framed

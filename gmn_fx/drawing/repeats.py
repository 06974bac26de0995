"""Repeated blocks: runs of consecutive siblings that are alike are drawn once, as `x 12`.

Found by comparing structure at every module, outer modules first: the items of a module (its
children, and groups of its own) are a sequence, in which a pattern may repeat. Blocks of a run have
the same groups and links inside, lead into the next block in the same way, and are linked to the
rest in the same way; the first block is entered as the others are entered from the block before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gmn_fx.drawing.alike import Alike
from gmn_fx.drawing.fold import ALWAYS_SHOWN, HELPERS, Path, module_path
from gmn_fx.drawing.links import Link
from gmn_fx.drawing.overlay import Overlay
from gmn_fx.graph.model import ParameterGraph

# Items in a pattern that repeats, at most.
LONGEST = 12


@dataclass(frozen=True)
class Run:
    """Blocks that are drawn as their first one.

    parent: module that holds them. first, last: module paths of the first item of the first block
    and of the last item of the last block. items: number of items of a block.
    members: groups of each block, in matching order.
    """

    parent: Path
    first: Path
    last: Path
    items: int
    members: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Folding:
    """What is left to draw.

    links: between groups that are drawn. shown: group -> the group that is drawn for it.
    runs: outer ones first; members of an inner run are those inside the first outer block.
    """

    links: list[Link]
    shown: dict[int, int]
    runs: tuple[Run, ...] = ()


def unfolded(graph: ParameterGraph, links: Sequence[Link]) -> Folding:
    """All groups are drawn."""
    return Folding(list(links), {i: i for i, g in enumerate(graph.groups) if g.size > 0})


def fold_repeats(
    graph: ParameterGraph,
    links: Sequence[Link],
    overlay: Overlay | None = None,
    depth: int | None = None,
) -> Folding:
    """Fold runs of blocks, down to children of modules at `depth`."""
    finder = _Finder(graph, links, overlay or Overlay(), depth)
    groups = [i for i, g in enumerate(graph.groups) if g.size > 0]
    finder.walk((), groups, list(range(len(links))))
    kept = [
        replace(link, src=finder.src[k], dst=finder.dst[k])
        for k, link in enumerate(links)
        if finder.alive[k]
    ]
    return Folding(kept, {g: finder.drawn(g) for g in groups}, tuple(finder.runs))


@dataclass(frozen=True)
class _Item:
    """A child of a module, or one group of its own: `groups` in order."""

    path: Path
    groups: tuple[int, ...]


class _Finder:
    """Walks the module tree; folded members leave `alive` links and `rep` of groups behind."""

    def __init__(
        self, graph: ParameterGraph, links: Sequence[Link], overlay: Overlay, depth: int | None
    ) -> None:
        self.groups = graph.groups
        self.alike = Alike(graph, links, overlay)
        self.depth = depth
        self.paths = [() if g.kind in ALWAYS_SHOWN else module_path(g) for g in graph.groups]
        self.src = [link.src for link in links]
        self.dst = [link.dst for link in links]
        self.alive = [True] * len(links)
        self.rep: dict[int, int] = {}
        self.runs: list[Run] = []

    def drawn(self, group: int) -> int:
        """The group that is drawn for `group`."""
        while group in self.rep:
            group = self.rep[group]
        return group

    def walk(self, module: Path, groups: Sequence[int], links: Sequence[int]) -> None:
        """Fold inside `module`, which holds `groups`; `links` are those that touch it."""
        if self.depth is not None and len(module) >= self.depth:
            return
        links = [k for k in links if self.alive[k]]
        items = self._items(module, groups)
        at = {g: n for n, item in enumerate(items) for g in item.groups}
        if len(items) > 1:
            self._fold(module, items, at, links)
        touching: dict[int, list[int]] = {}
        for k in links:
            if self.alive[k]:
                for n in {at.get(self.src[k], -1), at.get(self.dst[k], -1)} - {-1}:
                    touching.setdefault(n, []).append(k)
        for n, item in enumerate(items):
            if len(item.groups) > 1 and item.groups[0] not in self.rep:
                self.walk(item.path, item.groups, touching.get(n, []))

    def _items(self, module: Path, groups: Sequence[int]) -> list[_Item]:
        inside: dict[object, list[int]] = {}
        for g in groups:
            path = self.paths[g]
            inside.setdefault(path[len(module)] if len(path) > len(module) else g, []).append(g)
        return [
            _Item(module if isinstance(key, int) else (*module, str(key)), tuple(members))
            for key, members in inside.items()
        ]

    def _fold(
        self, module: Path, items: list[_Item], at: dict[int, int], links: Sequence[int]
    ) -> None:
        marks = self._marks(module, items, at, links)
        for start, period, count in patterns(marks):
            blocks = [items[start + k * period : start + (k + 1) * period] for k in range(count)]
            for first, last in self._runs(blocks, at, links):
                if last - first >= self._shortest(blocks[0]):
                    self._apply(module, blocks[first:last], links)

    def _marks(
        self, module: Path, items: list[_Item], at: dict[int, int], links: Sequence[int]
    ) -> list[int]:
        """A number for each item; alike inside where equal."""
        plain = [self._groups_mark(module, item) for item in items]
        often = Counter(plain)
        inner: dict[int, list[Any]] = {}
        place = {
            g: r for item, mark in zip(items, plain, strict=True) if often[mark] > 1
            for r, g in enumerate(item.groups)
        }  # fmt: skip
        for k in links:
            src, dst = self.src[k], self.dst[k]
            if src in place and dst in place and at[src] == at[dst]:
                how = self.alike.of(k, items[at[src]].path)
                inner.setdefault(at[src], []).append((how, place[src], place[dst]))
        numbers: dict[Any, int] = {}
        keys = ((mark, tuple(sorted(inner.get(n, ())))) for n, mark in enumerate(plain))
        return [numbers.setdefault(key, len(numbers)) for key in keys]

    def _groups_mark(self, module: Path, item: _Item) -> Any:
        if any(self.groups[g].kind in ALWAYS_SHOWN for g in item.groups):
            return item.groups
        name = self.alike.template(item.path[-1]) if len(item.path) > len(module) else ""
        return name, tuple(
            self.alike.group(g, self.paths[g][len(item.path) :]) for g in item.groups
        )

    def _shortest(self, block: Sequence[_Item]) -> int:
        """Blocks in the shortest run that is folded: short blocks are easily read one by one."""
        mains = [sum(self.groups[g].kind not in HELPERS for g in b.groups) for b in block]
        if len(block) == 1:
            return 2 if mains[0] > 1 else 4
        return 2 if max(mains) > 1 else 3

    def _runs(
        self, blocks: Sequence[Sequence[_Item]], at: dict[int, int], links: Sequence[int]
    ) -> Iterator[tuple[int, int]]:
        """Ranges of `blocks` that may be folded."""
        ties = _Ties(self, blocks, links)
        first = 0
        while first < len(blocks):
            last = first + 1
            while last < len(blocks) and ties.go_on(first, last):
                last += 1
            while last - first > 1 and not ties.closed(first, last):
                last -= 1
            if last - first > 1 and not self._loops(blocks[first:last], at, links):
                yield first, last
            first = last

    def _loops(
        self, blocks: Sequence[Sequence[_Item]], at: dict[int, int], links: Sequence[int]
    ) -> bool:
        """Whether a path leaves one block and enters another through the rest of the module."""
        inside = {g for block in blocks for item in block for g in item.groups}
        after: dict[int, list[int]] = {}
        todo: list[int] = []
        enter: set[int] = set()
        for k in links:
            src, dst = self.src[k], self.dst[k]
            if src not in at or dst not in at or (src in inside and dst in inside):
                continue
            if src in inside:
                todo.append(dst)
            elif dst in inside:
                enter.add(src)
            else:
                after.setdefault(src, []).append(dst)
        seen = set(todo)
        while todo:
            for g in after.get(todo.pop(), ()):
                if g not in seen:
                    seen.add(g)
                    todo.append(g)
        return bool(seen & enter)

    def _apply(self, module: Path, blocks: Sequence[Sequence[_Item]], links: Sequence[int]) -> None:
        members = tuple(tuple(g for item in block for g in item.groups) for block in blocks)
        home = {g: item.path for block in blocks for item in block for g in item.groups}
        for block in members[1:]:
            self.rep.update(zip(block, members[0], strict=True))
        kept = set(members[0])
        seen: set[Any] = set()
        for moved in (False, True):
            # Links of the first block come first: what others repeat of them is left out.
            for k in links:
                ends = self.src[k], self.dst[k]
                folded = any(g in home and g not in kept for g in ends)
                if not self.alive[k] or folded != moved or not any(g in home for g in ends):
                    continue
                path = home[ends[1] if ends[1] in home else ends[0]]
                src, dst = (self.rep.get(g, g) if g in home else g for g in ends)
                key = (src, dst, self.alike.of(k, path))
                if moved and (key in seen or all(g in home for g in ends)):
                    self.alive[k] = False
                seen.add(key)
                if moved:
                    self.src[k], self.dst[k] = src, dst
        first, last = blocks[0][0].path, blocks[-1][-1].path
        self.runs.append(Run(module, first, last, len(blocks[0]), members))


def patterns(marks: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(start, period, count) of repeats in `marks`, from left to right, not overlapping."""
    at = 0
    while at < len(marks):
        best = (0, 0, 0)
        for period in range(1, min(LONGEST, (len(marks) - at) // 2) + 1):
            count = 1
            while _same(marks, at, at + count * period, period):
                count += 1
            if count > 1 and count * period > best[1] * best[2]:
                best = (at, period, count)
        if best[2]:
            yield best
        at += max(1, best[1] * best[2])


def _same(marks: Sequence[int], left: int, right: int, size: int) -> bool:
    if right + size > len(marks) or marks[left] != marks[right]:
        return False
    return all(marks[left + k] == marks[right + k] for k in range(1, size))


class _Ties:
    """How blocks are tied to each other and to the rest."""

    def __init__(
        self, finder: _Finder, blocks: Sequence[Sequence[_Item]], links: Sequence[int]
    ) -> None:
        block_of: dict[int, tuple[int, int, Path]] = {}
        for n, block in enumerate(blocks):
            members = [(g, item.path) for item in block for g in item.groups]
            block_of.update({g: (n, r, path) for r, (g, path) in enumerate(members)})
        # For each block, what goes on inside, what enters and what leaves it.
        self.inside: list[Counter[Any]] = [Counter() for _ in blocks]
        self.enter: list[Counter[Any]] = [Counter() for _ in blocks]
        self.leave: list[Counter[Any]] = [Counter() for _ in blocks]
        alike = finder.alike
        for k in links:
            src, dst = finder.src[k], finder.dst[k]
            a, b = block_of.get(src), block_of.get(dst)
            if a and b and a[0] == b[0]:
                self.inside[a[0]][alike.of(k, b[2]), a[1], b[1]] += 1
                continue
            if b:
                how = alike.of(k, b[2])
                far = (b[0] - a[0], a[1]) if a else (0, alike.role(src))
                self.enter[b[0]][alike.loose(how), b[1], far] += 1
            if a:
                how = alike.of(k, b[2] if b else a[2])
                far = (b[0] - a[0], b[1]) if b else (0, alike.role(dst))
                self.leave[a[0]][how, a[1], far] += 1

    def go_on(self, first: int, last: int) -> bool:
        """Whether block `last` may follow the blocks `first .. last - 1`."""
        if self.inside[last] != self.inside[first]:
            return False
        if last == first + 1:
            return self._enters(first, last)
        return self.enter[last] == self.enter[first + 1] and (
            self.leave[last - 1] == self.leave[first]
        )

    def _enters(self, first: int, second: int) -> bool:
        """Whether the first block is entered as the second is from the first."""
        one, two = self.enter[first], self.enter[second]
        if any(far[0] not in (0, 1) for _, _, far in two):
            return False
        if _without_far(one) != _without_far(two):
            return False
        return all(one[key] >= n for key, n in two.items() if key[2][0] == 0)

    def closed(self, first: int, last: int) -> bool:
        """Whether block `last - 1` leaves to the rest as all do."""
        end, start = self.leave[last - 1], self.leave[first]
        if any(far[0] not in (0, 1) for _, _, far in start):
            return False
        return all(end[key] >= n for key, n in start.items() if key[2][0] == 0)


def _without_far(ties: Counter[Any]) -> Counter[Any]:
    out: Counter[Any] = Counter()
    for (how, at, _), n in ties.items():
        out[how, at] += n
    return out

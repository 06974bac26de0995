"""Folding: a deep network has more groups than a picture can show, so modules become boxes."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gmn_fx.graph.model import Group, ParameterGraph

Path = tuple[str, ...]

# Kinds that stay boxes of their own whatever is folded: a reader looks for them first.
ALWAYS_SHOWN = frozenset({"input"})
# Kinds that serve another group: a module with one other group is drawn as that group.
HELPERS = frozenset({"bias", "constant", "statistic"})
# Pictures of more boxes than this are read by scrolling, not at a glance.
MAX_BOXES = 80
# Module paths deeper than this are not told apart.
DEEPEST = 16
# A module with more children than this may be drawn as ranges of children.
RANGES = 24


@dataclass(frozen=True)
class Box:
    """One box of the architecture view.

    groups: numbers of the groups in it, the one that it shows first. path: module path, () for
    nameless ones. folded: it stands for a module (or a range of modules) rather than for one
    group with its helpers. last: last module of a range, "" otherwise.
    parameters: on edges inside the box, and on those that lead into it.
    """

    groups: tuple[int, ...]
    path: Path
    folded: bool = False
    last: str = ""
    parameters: int = 0


def module_path(group: Group) -> Path:
    """Module path of `group` as a tuple."""
    return tuple(group.name.split(".", DEEPEST)[:DEEPEST]) if group.name else ()


def boxes_of(
    graph: ParameterGraph,
    max_boxes: int,
    *,
    shown: Collection[int] | None = None,
    depth: int | None = None,
) -> list[Box]:
    """Boxes of the architecture view, at most about `max_boxes`, in the order of the groups.

    Args:
        graph: the graph to draw.
        max_boxes: with more boxes than this, modules are folded into one box each.
        shown: groups to draw; all if None.
        depth: modules at this depth are one box each.
    """
    groups = [i for i, g in enumerate(graph.groups) if g.size > 0 and (shown is None or i in shown)]
    if len(groups) <= max_boxes and depth is None:
        return [Box((i,), module_path(graph.groups[i])) for i in groups]
    folder = _Folder(graph.groups, groups, depth or DEEPEST + 1)
    folder.unfold(max_boxes)
    return folder.boxes()


class _Folder:
    """Opens modules, shallow ones first and all alike ones together, while the boxes fit."""

    def __init__(self, groups: Sequence[Group], shown: Sequence[int], depth: int) -> None:
        self.groups = groups
        self.depth = depth
        self.paths: dict[int, Path] = {}
        for i in shown:
            g = groups[i]
            self.paths[i] = () if g.kind in ALWAYS_SHOWN else module_path(g)[:depth]
        self.modules = sorted({p[:n] for p in self.paths.values() for n in range(len(p) + 1)})
        # Module -> its children (names of modules, numbers of groups) -> their order.
        self.children: dict[Path, dict[object, int]] = {}
        for i, path in self.paths.items():
            for n in range(len(path) + 1):
                known = self.children.setdefault(path[:n], {})
                known.setdefault(path[n] if n < len(path) else i, len(known))
        # Open template -> how many children share one box.
        self.open: dict[Path, int] = {}

    def unfold(self, limit: int) -> None:
        """Open what fits into `limit` boxes."""
        self.open = {template(m): 1 for m in self.modules if len(m) < self.depth}
        if len(self._assign()) <= limit:
            return
        self.open = {}
        alike: dict[Path, list[Path]] = {}
        for module in self.modules:
            alike.setdefault(template(module), []).append(module)
        inside: dict[Path, list[int]] = {}
        for i, path in self.paths.items():
            for n in range(len(path) + 1):
                inside.setdefault(path[:n], []).append(i)
        # Taking layers apart into neurons, bias and statistics shows the least: never done, as
        # all of them would not fit (else nothing would be folded).
        plain = {t for t, ms in alike.items() if t and all(self._main(inside[m]) for m in ms)}
        for name in sorted(alike.keys() - plain, key=lambda t: (len(t), -len(alike[t]), t)):
            if len(name) >= self.depth or (name and template(name[:-1]) not in self.open):
                continue
            widest = max(len(self.children[m]) for m in alike[name])
            steps = [1]
            if widest > RANGES and (not name or len(alike[name]) <= 4):
                steps.append(math.ceil(widest / min(RANGES, max(2, limit // len(alike[name])))))
            for step in steps:
                self.open[name] = step
                if len(self._assign()) <= limit or (not name and step == steps[-1]):
                    break
                del self.open[name]

    def _main(self, members: Sequence[int]) -> list[int]:
        """`members` with the only group that is no helper first; empty if that is not one."""
        main = [i for i in members if self.groups[i].kind not in HELPERS]
        return main + [i for i in members if i not in main] if len(main) == 1 else []

    def _key(self, index: int) -> tuple[Path, object]:
        """(module, child or number of a range) of the box of group `index`."""
        path = self.paths[index]
        for n in range(len(path) + 1):
            module = path[:n]
            step = self.open.get(template(module), 0)
            if not step:
                return module, None
            child: object = path[n] if n < len(path) else index
            lonely = self.groups[index].kind in ALWAYS_SHOWN
            if step > 1 and not lonely:
                return module, ("range", self.children[module][child] // step)
        return path, index

    def _assign(self) -> dict[tuple[Path, object], list[int]]:
        out: dict[tuple[Path, object], list[int]] = {}
        for index in self.paths:
            out.setdefault(self._key(index), []).append(index)
        return out

    def boxes(self) -> list[Box]:
        """The boxes as they are now."""
        out = []
        for (module, child), members in self._assign().items():
            if isinstance(child, tuple):
                out.append(self._range_box(module, tuple(members)))
            elif main := self._main(members):
                out.append(Box(tuple(main), self.paths[main[0]]))
            else:
                out.append(Box(tuple(members), module, folded=len(members) > 1))
        return out

    def _range_box(self, module: Path, inside: tuple[int, ...]) -> Box:
        depth = len(module) + 1
        first, last = self.paths[inside[0]][:depth], self.paths[inside[-1]][:depth]
        return Box(inside, first, len(inside) > 1, ".".join(last) if last != first else "")


def template(path: Path) -> Path:
    """`path` with numbers as `*`: modules with equal templates are opened together."""
    return tuple(re.sub(r"\d+", "*", part) for part in path)

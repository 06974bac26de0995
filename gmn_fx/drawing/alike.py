"""What makes two groups, or two links, alike: everything but which block they stand in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gmn_fx.drawing.fold import Path
from gmn_fx.drawing.links import Link
from gmn_fx.drawing.overlay import Overlay
from gmn_fx.graph.model import ParameterGraph


class Alike:
    """Numbers for kinds of links, equal where the links are alike; keys for groups."""

    def __init__(self, graph: ParameterGraph, links: Sequence[Link], overlay: Overlay) -> None:
        self._groups = graph.groups
        self._links = links
        self._bundles = graph.bundles
        self._overlay = overlay
        self._plain: dict[int, int] = {}
        self._numbers: dict[Any, int] = {}
        self._loose: dict[int, int] = {}
        self._of: dict[tuple[int, Path], int] = {}
        self._templates: dict[str, str] = {}

    def template(self, name: str) -> str:
        """`name` with numbers as `*`."""
        if name not in self._templates:
            self._templates[name] = re.sub(r"\d+", "*", name)
        return self._templates[name]

    def group(self, index: int, relative: Path) -> Any:
        """What a group has to have in common with its twin in another block."""
        g = self._groups[index]
        return g.kind, g.op, g.size, relative, self._overlay.groups.get(index)

    def role(self, index: int) -> Any:
        """What a group outside has to have in common with the one that another block is tied to."""
        g = self._groups[index]
        return g.kind, g.op, g.size, self.template(g.name), self._overlay.groups.get(index)

    def of(self, link: int, path: Path) -> int:
        """A number for `link`, its slot named as seen from the module `path`."""
        key = (link, path)
        if key not in self._of:
            at = self._links[link]
            bundle = self._bundles[at.bundle]
            past = bundle.history
            loose = (
                bundle.kind, bundle.op, bundle.shape, self._slot(bundle.slot or "", path),
                bundle.operand, bundle.tied, at.edges, at.parameters,
                self._overlay.bundles.get(at.bundle),
            )  # fmt: skip
            past_key = (past.offset, past.strides) if past.table is None else past.bounds()
            number = self._number((loose, past_key))
            self._loose[number] = self._number(loose)
            self._of[key] = number
        return self._of[key]

    def loose(self, number: int) -> int:
        """The number without what happened on the way to the link."""
        return self._loose[number]

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _slot(self, slot: str, path: Path) -> str:
        above = ".".join(path) + "."
        return slot[len(above) :] if path and slot.startswith(above) else self.template(slot)

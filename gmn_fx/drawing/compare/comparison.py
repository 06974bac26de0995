"""What differs between two parameter graphs: alignment, changes, the union, in one object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gmn_fx.drawing.compare.align import Alignment, align
from gmn_fx.drawing.compare.changes import (
    Change,
    State,
    bundle_changes,
    group_changes,
    slot_changes,
)
from gmn_fx.drawing.compare.measure import Difference
from gmn_fx.drawing.compare.union import union
from gmn_fx.drawing.compare.words import summary
from gmn_fx.drawing.links import links_of
from gmn_fx.graph.model import ParameterGraph

# Order of the rows of a table: values first, then structure.
_ORDER: tuple[State, ...] = ("changed", "rewired", "resized", "added", "removed", "same")


@dataclass(frozen=True)
class Row:
    """One line of the table of parameters.

    before, after: shapes, None where a graph has no such parameter. place: index of the element
    that changed most, None where no value changed.
    """

    name: str
    state: State
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None
    difference: Difference | None
    place: tuple[int, ...] | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two graphs, matched.

    union: a graph with what both have; group k, bundle k and slot k of it are those of
    `groups[k]`, `bundles[k]` and `slots[k]`.
    """

    a: ParameterGraph
    b: ParameterGraph
    alignment: Alignment
    union: ParameterGraph
    slots: tuple[Change, ...]
    bundles: tuple[Change, ...]
    groups: tuple[Change, ...]

    @property
    def same_structure(self) -> bool:
        """The graphs have one signature: they differ in values and names at most."""
        return self.alignment.same_structure

    @property
    def valued(self) -> bool:
        """Values were compared: both graphs have them for a parameter that both have."""
        return any(c.difference is not None for c in self.slots)

    @property
    def identical(self) -> bool:
        """Equal structure, names and dtypes, and values equal bit for bit (or none in both)."""
        if not self.same_structure or any(c.state != "same" or c.notes for c in self.slots):
            return False
        return self.valued or bool(self.a.values) == bool(self.b.values)

    @property
    def disjoint(self) -> bool:
        """The graphs have no parameter and no group but inputs in common."""
        shared = [c for c in self.slots if c.state not in ("added", "removed")]
        if shared:
            return False
        kinds = (
            self.union.groups[k].kind
            for k, c in enumerate(self.groups)
            if c.state not in ("added", "removed")
        )
        return bool(self.slots) and set(kinds) <= {"input"}

    @property
    def summary(self) -> str:
        """What differs, in one sentence."""
        return summary(self)

    def slot_of(self, bundle: int) -> Change | None:
        """The change of the slot on a bundle of the union, None on edges without parameters."""
        return self._slots.get(self.union.bundles[bundle].slot or "")

    @cached_property
    def _slots(self) -> dict[str, Change]:
        return {s.name: c for s, c in zip(self.union.slots, self.slots, strict=True)}

    def rows(self, *, everything: bool = False) -> list[Row]:
        """The parameters that differ, the most changed first; with `everything`, all of them."""
        kept = [
            (k, c) for k, c in enumerate(self.slots) if everything or c.state != "same" or c.notes
        ]
        kept.sort(key=lambda item: (_ORDER.index(item[1].state), -strength(item[1].difference)))
        return [self._row(k, change) for k, change in kept]

    def _row(self, number: int, change: Change) -> Row:
        one = self.a.slots[change.pair.a] if change.pair.a is not None else None
        two = self.b.slots[change.pair.b] if change.pair.b is not None else None
        difference = change.difference
        place = None
        if difference is not None and difference.place >= 0 and one is not None:
            place = index_of(difference.place, one.shape)
        return Row(
            self.union.slots[number].name,
            change.state,
            one.shape if one is not None else None,
            two.shape if two is not None else None,
            difference,
            place,
            change.notes,
        )


def compare(a: ParameterGraph, b: ParameterGraph) -> Comparison:
    """Match the structure of `a` and `b` and measure how far their values are apart.

    Edges are never listed: time and memory go with the parameters, in pieces of a few megabytes.

    Args:
        a: the graph before.
        b: the graph after.
    """
    found = align(a, b)
    slots = slot_changes(a, b, found)
    bundles = bundle_changes(a, b, found, slots)
    whole = union(a, b, found)
    groups = group_changes(a, b, found, _into(whole, bundles))
    return Comparison(a, b, found, whole, slots, bundles, groups)


def strength(difference: Difference | None) -> float:
    """For order: nan and inf above all, then the relative change."""
    if difference is None or not difference.changed:
        return -1.0
    return math.inf if difference.not_finite else difference.relative


def index_of(place: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Index of the element at a flat position."""
    out = []
    for size in reversed(shape):
        place, at = divmod(place, size)
        out.append(at)
    return tuple(reversed(out))


def _into(graph: ParameterGraph, bundles: Sequence[Change]) -> dict[int, Difference]:
    """Group of the union -> the strongest difference on the edges into it."""
    out: dict[int, Difference] = {}
    for link in links_of(graph):
        difference = bundles[link.bundle].difference
        if difference is None or bundles[link.bundle].state != "changed":
            continue
        if link.dst not in out or strength(difference) > strength(out[link.dst]):
            out[link.dst] = difference
    return out

"""Which slot, group and bundle of one graph is which of the other."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gmn_fx.drawing.compare.names import Renaming, match_names
from gmn_fx.drawing.links import links_of
from gmn_fx.graph.model import Group, ParameterGraph

# Pairs of equal keys up to which sequences are aligned by context; above, equal keys are counted.
CONTEXT = 1_000_000


@dataclass(frozen=True)
class Pair:
    """Numbers of one thing in a and in b; None where a graph has no such thing."""

    a: int | None
    b: int | None


@dataclass(frozen=True)
class Alignment:
    """Pairs in the order of a, what b adds put in behind what it follows in b.

    same_structure: the signatures are equal. renaming: what names of b are called in a.
    """

    slots: tuple[Pair, ...]
    groups: tuple[Pair, ...]
    bundles: tuple[Pair, ...]
    renaming: Renaming
    same_structure: bool


def align(a: ParameterGraph, b: ParameterGraph) -> Alignment:
    """Match `a` and `b`: by position if their structure is equal, else by names and context."""
    same = _equal_structure(a, b)
    slots, renaming = _slots_by_position(a, b) if same else _slots_by_name(a, b)
    if same:
        groups = {i: i for i in range(len(a.groups))}
        bundles = {i: i for i in range(len(a.bundles))}
    else:
        groups = _match_groups(a, b, slots, renaming)
        bundles = _match_bundles(a, b, slots, groups)
    return Alignment(
        tuple(_merged(len(a.slots), len(b.slots), slots)),
        tuple(_merged(len(a.groups), len(b.groups), groups)),
        tuple(_merged(len(a.bundles), len(b.bundles), bundles)),
        renaming,
        same,
    )


def _equal_structure(a: ParameterGraph, b: ParameterGraph) -> bool:
    if (len(a.groups), len(a.bundles), len(a.slots)) != (
        len(b.groups),
        len(b.bundles),
        len(b.slots),
    ):
        return False
    return a is b or a.signature == b.signature


def _merged(first: int, second: int, match: Mapping[int, int]) -> Iterator[Pair]:
    """All pairs: a's order, what only b has behind what it follows there."""
    back = set(match.values())

    def only_b(start: int) -> Iterator[Pair]:
        while start < second and start not in back:
            yield Pair(None, start)
            start += 1

    yield from only_b(0)
    for i in range(first):
        yield Pair(i, match.get(i))
        if i in match:
            yield from only_b(match[i] + 1)


# ---- slots


def _slots_by_position(a: ParameterGraph, b: ParameterGraph) -> tuple[dict[int, int], Renaming]:
    """Equal structure: slots by their first use, those on no edge by name."""
    numbers_a = {s.name: i for i, s in enumerate(a.slots)}
    numbers_b = {s.name: j for j, s in enumerate(b.slots)}
    found: dict[int, int] = {}
    for one, two in zip(a.bundles, b.bundles, strict=True):
        if one.slot is not None and two.slot is not None:
            found.setdefault(numbers_a[one.slot], numbers_b[two.slot])
    named, renaming = match_names(_named(a), _named(b))
    taken = set(found.values())
    for i, j in named.items():
        if i not in found and j not in taken:
            found[i] = j
            taken.add(j)
    return found, renaming


def _slots_by_name(a: ParameterGraph, b: ParameterGraph) -> tuple[dict[int, int], Renaming]:
    return match_names(_named(a), _named(b))


def _named(graph: ParameterGraph) -> list[tuple[str, tuple[int, ...]]]:
    return [(s.name, s.shape) for s in graph.slots]


# ---- groups


def _match_groups(
    a: ParameterGraph, b: ParameterGraph, slots: Mapping[int, int], renaming: Renaming
) -> dict[int, int]:
    """By module, kind and op, in context; then by the parameters that they alone receive."""
    keys_a = [_group_key(g, g.name) for g in a.groups]
    keys_b = [_group_key(g, renaming.of(g.name)) for g in b.groups]
    found = _in_context(keys_a, keys_b)
    _by_ordinal(_rest(keys_a, found.keys()), _rest(keys_b, found.values()), found)
    taken = set(found.values())
    fed_a, fed_b = _fed(a), _fed(b)
    for i, j in slots.items():
        one, two = fed_a.get(a.slots[i].name, -1), fed_b.get(b.slots[j].name, -1)
        if one < 0 or two < 0 or one in found or two in taken:
            continue
        if a.groups[one].kind == b.groups[two].kind:
            found[one] = two
            taken.add(two)
    return found


def _group_key(group: Group, name: str) -> Hashable:
    # Inputs are matched by their order: an argument may be renamed.
    return ("", group.kind, "") if group.kind == "input" else (name, group.kind, group.op)


def _fed(graph: ParameterGraph) -> dict[str, int]:
    """Slot -> the one group that its edges lead to, -1 where there are several."""
    out: dict[str, int] = {}
    for link in links_of(graph):
        slot = graph.bundles[link.bundle].slot
        if slot is not None:
            out[slot] = link.dst if out.get(slot, link.dst) == link.dst else -1
    return out


def _in_context(a: Sequence[Hashable], b: Sequence[Hashable]) -> dict[int, int]:
    """Longest common runs of two sequences."""
    times = Counter(b)
    if sum(times[key] for key in a) > CONTEXT:
        return {}
    found = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return {m.a + k: m.b + k for m in found for k in range(m.size)}


def _rest(keys: Sequence[Hashable], taken: Iterable[int]) -> dict[int, Hashable]:
    known = set(taken)
    return {i: key for i, key in enumerate(keys) if i not in known}


def _by_ordinal(
    left: Mapping[int, Hashable], right: Mapping[int, Hashable], found: dict[int, int]
) -> None:
    """Add to `found` the first of one key with the first of that key, and so on."""
    waiting: dict[Hashable, list[int]] = {}
    for j, key in right.items():
        waiting.setdefault(key, []).append(j)
    for queue in waiting.values():
        queue.reverse()
    for i, key in left.items():
        if waiting.get(key):
            found[i] = waiting[key].pop()


# ---- bundles


def _match_bundles(
    a: ParameterGraph,
    b: ParameterGraph,
    slots: Mapping[int, int],
    groups: Mapping[int, int],
) -> dict[int, int]:
    """By slot, kind, op and ends; a slot whose edges lead elsewhere by slot and kind."""
    left = _bundle_keys(a, "a", {a.slots[i].name: i for i in slots}, {i: i for i in groups})
    right = _bundle_keys(
        b, "b", {b.slots[j].name: i for i, j in slots.items()}, {j: i for i, j in groups.items()}
    )
    found: dict[int, int] = {}
    # Edges without parameters are the same only between the same groups.
    for length, free in ((5, True), (2, False), (1, False)):
        _by_ordinal(
            _shortened(left, found.keys(), length, free),
            _shortened(right, found.values(), length, free),
            found,
        )
    return found


def _shortened(
    keys: Sequence[tuple[Hashable, ...]], taken: Iterable[int], length: int, free: bool
) -> dict[int, Hashable]:
    """The first `length` parts of the keys that are left, with or without those free of slots."""
    known = set(taken)
    return {
        k: key[:length]
        for k, key in enumerate(keys)
        if k not in known and (free or key[0] is not None)
    }


def _bundle_keys(
    graph: ParameterGraph, side: str, slots: Mapping[str, int], groups: Mapping[int, int]
) -> list[tuple[Hashable, ...]]:
    """Slot, kind, op, operand and ends of each bundle; what is not matched is equal to nothing."""
    ends: list[set[Hashable]] = [set() for _ in graph.bundles]
    for link in links_of(graph):
        ends[link.bundle].add(
            tuple(groups.get(group, (side, group)) for group in (link.src, link.dst))
        )
    return [
        (
            None if bundle.slot is None else slots.get(bundle.slot, (side, bundle.slot)),
            bundle.kind,
            bundle.op,
            bundle.operand,
            frozenset(ends[number]),
        )
        for number, bundle in enumerate(graph.bundles)
    ]

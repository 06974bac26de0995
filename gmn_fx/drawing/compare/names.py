"""Names of one graph in another: wrapped (`model.x`), unwrapped, or with a part put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Parts = tuple[str, ...]
Shape = tuple[int, ...]

# Parts of a name that are looked at; what comes before is one part.
DEEPEST = 24
# A change of prefix must explain this share of the names that one side has and the other has not.
SHARE = 0.25
# Longest run of parts that a wrapper puts into a name (`c_attn.base_layer.weight`).
INFIX = 2
# Names of one ending and shape that are compared pair by pair.
CROWD = 400_000


@dataclass(frozen=True)
class Renaming:
    """How names of b are called in a.

    prefixes: (prefix in b, prefix in a), the first that fits counts. modules: whole module names.
    """

    prefixes: tuple[tuple[Parts, Parts], ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """The name in a of what b calls `name`."""
        if name in self.modules:
            return self.modules[name]
        return join(self.moved(split(name)))

    def moved(self, parts: Parts) -> Parts:
        """`parts` with the prefix that a has."""
        for old, new in self.prefixes:
            if parts[: len(old)] == old:
                return new + parts[len(old) :]
        return parts


def split(name: str) -> Parts:
    """Parts of a dotted name."""
    return tuple(name.rsplit(".", DEEPEST - 1)) if name else ()


def join(parts: Parts) -> str:
    """The dotted name."""
    return ".".join(parts)


def match_names(
    a: Sequence[tuple[str, Shape]], b: Sequence[tuple[str, Shape]]
) -> tuple[dict[int, int], Renaming]:
    """Which entry of `a` is which of `b`: by name, by a changed prefix, by a part put in.

    Args:
        a: (name, shape) of the entries.
        b: the same of the other graph.

    Returns:
        Number in a -> number in b, and the renaming.
    """
    numbers = {name: j for j, (name, _) in enumerate(b)}
    found = {i: numbers[name] for i, (name, _) in enumerate(a) if name in numbers}
    left = _left(a, found.keys())
    right = _left(b, found.values())
    prefixes = []
    while left and right:
        best = _best_prefix(left, right)
        if best is None:
            break
        taken = _with_prefix(left, right, *best)
        found.update(taken)
        for i, j in taken.items():
            del left[i], right[j]
        prefixes.append(best)
    renaming = Renaming(tuple(sorted(prefixes, key=lambda p: -len(p[0]))))
    found.update(_with_infix(a, b, left, right, renaming))
    return found, Renaming(renaming.prefixes, _modules(a, b, found))


def _left(entries: Sequence[tuple[str, Shape]], taken: Iterable[int]) -> dict[int, Parts]:
    known = set(taken)
    return {i: split(name) for i, (name, _) in enumerate(entries) if i not in known}


def _best_prefix(
    left: Mapping[int, Parts], right: Mapping[int, Parts]
) -> tuple[Parts, Parts] | None:
    """(prefix in b, prefix in a) that explains the most names, None if none explains enough."""
    endings: dict[Parts, list[Parts]] = {}
    for parts in left.values():
        for n in range(len(parts)):
            endings.setdefault(parts[n:], []).append(parts[:n])
    votes: Counter[tuple[Parts, Parts]] = Counter()
    for parts in right.values():
        at = next((n for n in range(len(parts)) if parts[n:] in endings), None)
        if at is None:
            continue
        for prefix in endings[parts[at:]][:8]:
            # `head.weight` and `tail.weight` have an ending in common that says nothing.
            if len(parts) - at > 1 or not prefix or not parts[:at]:
                votes[parts[:at], prefix] += 1
    if not votes:
        return None
    best, times = max(votes.items(), key=lambda v: (v[1], -len(v[0][0]) - len(v[0][1]), v[0]))
    return best if times >= SHARE * min(len(left), len(right)) else None


def _with_prefix(
    left: Mapping[int, Parts], right: Mapping[int, Parts], old: Parts, new: Parts
) -> dict[int, int]:
    numbers = {parts: i for i, parts in left.items()}
    taken: dict[int, int] = {}
    for j, parts in right.items():
        i = numbers.get(new + parts[len(old) :]) if parts[: len(old)] == old else None
        if i is not None:
            taken.setdefault(i, j)
    return taken


def _with_infix(
    a: Sequence[tuple[str, Shape]],
    b: Sequence[tuple[str, Shape]],
    left: Mapping[int, Parts],
    right: Mapping[int, Parts],
    renaming: Renaming,
) -> dict[int, int]:
    """Entries of equal shape and ending where one name is the other with a run of parts put in."""
    alike: dict[tuple[Parts, Shape], list[int]] = {}
    for j, parts in right.items():
        alike.setdefault((parts[-1:], b[j][1]), []).append(j)
    moved = {j: renaming.moved(parts) for j, parts in right.items()}
    taken: dict[int, int] = {}
    for i, parts in left.items():
        crowd = alike.get((parts[-1:], a[i][1]), [])
        if len(crowd) * len(left) > CROWD:
            continue
        near = [(abs(len(parts) - len(moved[j])), j) for j in crowd if _is_infix(parts, moved[j])]
        if near:
            _, j = min(near)
            taken[i] = j
            crowd.remove(j)
    return taken


def _is_infix(one: Parts, two: Parts) -> bool:
    short, long = sorted((one, two), key=len)
    extra = len(long) - len(short)
    if not 0 < extra <= INFIX:
        return False
    return any(long[:n] + long[n + extra :] == short for n in range(1, len(short)))


def _modules(
    a: Sequence[tuple[str, Shape]], b: Sequence[tuple[str, Shape]], found: Mapping[int, int]
) -> dict[str, str]:
    """Module in b -> module in a, from the entries that were matched under other names."""
    out: dict[str, str] = {}
    for i, j in found.items():
        one, two = a[i][0].rpartition("."), b[j][0].rpartition(".")
        if one[0] != two[0] and one[2] == two[2]:
            out.setdefault(two[0], one[0])
    return out

"""Few settings in which every pair of values of two options occurs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, get_args

from gmn_fx.gmn.config import ActivationName, Aggregation, Directions, Norm, Unseen

# Every option of GMNConfig that is a choice, all its values; of numbers, off and on.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "aggregation": get_args(Aggregation), "directions": get_args(Directions),
    "residual": (True, False), "norm": get_args(Norm), "activation": get_args(ActivationName),
    "edge_activation": (None, *get_args(ActivationName)), "dropout": (0.0, 0.3),
    "global_state": (True, False), "value_frequencies": (0, 2), "unseen": get_args(Unseen),
}  # fmt: skip

Pair = tuple[tuple[str, Any], tuple[str, Any]]


def pairwise(options: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Settings that together have every pair of values of any two options.

    Greedy: each starts from a pair that is still missing, and takes for every other option the
    value that adds most missing pairs.
    """
    names = list(options)
    missing: dict[Pair, None] = {}
    for a, b in itertools.combinations(names, 2):
        missing |= {((a, x), (b, y)): None for x in options[a] for y in options[b]}
    out: list[dict[str, Any]] = []
    while missing:
        row = dict(next(iter(missing)))
        for name in sorted((n for n in names if n not in row), key=lambda n: -len(options[n])):
            count = len(out)  # equally good values take turns
            turned = [
                options[name][(count + i) % len(options[name])] for i in range(len(options[name]))
            ]
            row[name] = max(
                turned, key=lambda v: sum(p in missing for p in _pairs(names, row, name, v))
            )
        row = {name: row[name] for name in names}
        for name in names:
            for pair in _pairs(names, row, name, row[name]):
                missing.pop(pair, None)
        out.append(row)
    return out


def _pairs(names: list[str], row: dict[str, Any], name: str, value: Any) -> list[Pair]:
    """The pairs of `name` at `value` with what the row already has."""
    place = names.index(name)
    return [
        ((other, row[other]), (name, value)) if i < place else ((name, value), (other, row[other]))
        for i, other in enumerate(names)
        if other in row and other != name
    ]


def spelled(row: Mapping[str, Any]) -> str:
    """A setting as part of a test's name."""
    return "-".join(f"{value}" for value in row.values())

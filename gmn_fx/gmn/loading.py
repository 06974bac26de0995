"""Batches for `torch.utils.data.DataLoader`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import default_collate

from gmn_fx.errors import UsageError
from gmn_fx.gmn.batch import Buckets, buckets
from gmn_fx.graph.model import ParameterGraph


def collate(items: Sequence[Any]) -> Buckets | tuple[Any, ...]:
    """`collate_fn` for a dataset of graphs, or of tuples that begin with one: (graph, target).

    Returns:
        The graphs by architecture, and behind them the rest, collated as torch does. Rows of what
        `InvariantGMN` gives for the buckets are in the order of `items`.
    """
    if items and isinstance(items[0], ParameterGraph):
        return buckets(items)
    if not items or not isinstance(items[0], tuple) or not isinstance(items[0][0], ParameterGraph):
        found = type(items[0]).__name__ if items else "nothing"
        raise UsageError(
            f"collate got {found}, not a parameter graph",
            hint="let the dataset give graphs, or tuples that begin with one: (graph, target)",
        )
    graphs, *rest = zip(*items, strict=True)
    return buckets(graphs), *(default_collate(list(column)) for column in rest)

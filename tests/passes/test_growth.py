"""Graph passes cost what the nodes cost, not the edges; long sums cost what their terms cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import gmn_fx
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle
from gmn_fx_passes import flatten_sums
from gmn_fx_passes.parallel_edges import tell_apart
from gmn_fx_passes.sites import Sites

WIDE = 300_000  # an id for each of its edges would take terabytes


def dense(size: int) -> Bundle:
    """A linear layer of `size` neurons after `size` others."""
    return Bundle(
        "weight", "linear", (size, size),
        src=IndexMap((size, size), 0, (0, 1)), dst=IndexMap((size, size), size, (1, 0)),
        label=IndexMap.constant(-1, (size, size)), history=IndexMap.constant(0, (size, size)),
        slot="w", view=IndexMap((size, size), 0, (size, 1)),
    )  # fmt: skip


def test_sites_of_a_dense_layer_are_told_from_its_nodes() -> None:
    number = np.repeat(np.array([0, 2], dtype=np.int32), WIDE)
    histories = [""]
    bundle = dense(WIDE)
    marked = Sites(number, histories).mark(bundle, bundle)
    assert histories == ["", "site 0 to 2"]
    assert not any(marked.history.strides)
    assert marked.history.bounds() == (1, 1)


def test_sites_that_differ_between_sources() -> None:
    number = np.zeros(8, dtype=np.int32)
    number[[1, 2]] = 1
    histories = ["", "relu"]
    bundle = dense(4)
    marked = Sites(number, histories).mark(bundle, bundle)
    assert marked.history.array().tolist() == [[0, 2, 2, 0]] * 4
    assert histories[2] == "site 1 to 0"


def test_a_dense_layer_has_no_parallel_edges() -> None:
    assert tell_apart(dense(WIDE)).shape == (WIDE, WIDE)


class LongSum(nn.Module):
    """A loop that adds up many terms."""

    def __init__(self) -> None:
        super().__init__()
        self.terms = nn.ModuleList(nn.Linear(3, 2) for _ in range(30))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.terms[0](x).relu()
        for term in self.terms[1:]:
            y = y + term(x).relu()
        return y


def test_a_long_sum_is_flattened_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []
    original = flatten_sums._partial

    def counted(*args):
        rounds.append(original(*args))
        return rounds[-1]

    monkeypatch.setattr(flatten_sums, "_partial", counted)
    graph = gmn_fx.extract(LongSum(), (torch.randn(1, 3),))
    assert len([group for group in graph.groups if group.op == "add"]) == 1
    assert [len(gone) for gone in rounds] == [28, 0]


def test_parts_that_read_the_same_are_not_merged_into_one_sum() -> None:
    whole = {3: 5, 4: 5, 5: 6}
    read = {3: {0, 1}, 4: {1, 2}, 5: {3, 4}, 6: {5, 9}}
    assert flatten_sums._innermost_first(whole, read) == [3, 5]

"""Branches that data decides: a graph stands for the path of the example, and is judged on it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

import gmn_fx
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry import verify
from gmn_fx.symmetry.decisions import Recorded, Replayed


class Branching(nn.Module):
    """A router in Python: `if` on a tensor chooses the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.route, self.out = nn.Linear(3, 2), nn.Linear(4, 2)
        self.left, self.right = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        score = self.route(x).mean(0)
        return self.out((self.left(x) if score[0] > score[1] else self.right(x)).relu())


def captured() -> tuple[nn.Module, ParameterGraph, Tensor]:
    torch.manual_seed(0)
    model, x = Branching(), torch.randn(6, 3)
    return model, gmn_fx.extract(model, (x,)), x


def test_numbers_are_read_once_and_given_again():
    with Recorded() as record:
        read = (bool(torch.tensor(1.0) > 0), int(torch.tensor(3)), torch.tensor([1, 2]).tolist())
    assert record.seen == [True, 3, [1, 2]] == list(read)
    with Replayed(record.seen):
        again = (bool(torch.tensor(-1.0) > 0), torch.tensor(7).item(), torch.zeros(2).tolist())
        assert again == (True, 3, [1, 2])
        assert bool(torch.tensor(False)) is False  # nothing is left to be given


def test_the_graph_says_that_a_branch_was_fixed():
    _, graph, _ = captured()
    assert graph.meta["capture"] == "concrete"
    assert any(note.startswith("every branch and value that depends on tensor data")
               for note in graph.notes)  # fmt: skip
    unread = [s for s in graph.slots if not s.used]
    assert {s.name.partition(".")[0] for s in unread} >= {"route"}
    assert {s.reason for s in unread} == {"nothing on the path of the example reads it"}


def test_it_is_judged_on_the_path_of_the_example():
    model, graph, x = captured()
    for seeds in (1, 4, 8):  # some of them take the other branch
        report = verify(model, graph, (x,), seeds=seeds)
        assert report.ok, report.problems
    assert any("along the branches of the example" in w for w in report.warnings)


def test_a_wrong_graph_is_wrong_on_that_path_too():
    model, graph, x = captured()
    bundles = tuple(b for b in graph.bundles if b.kind != "bias" or b.name not in ("left", "right"))
    assert not verify(model, replace(graph, bundles=bundles), (x,), seeds=4).ok


def test_no_path_is_held_for_a_graph_that_claims_all_inputs():
    model, graph, x = captured()
    claims = replace(graph, meta={**graph.meta, "capture": "export"})
    assert not verify(model, claims, (x,), seeds=8).ok

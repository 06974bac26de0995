"""Every model of the zoo: the graph is verified, exact, stable and means the network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gmn_fx
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph
from gmn_fx.symmetry import verify as run_oracle
from tests.zoo import CASES, xfail
from tests.zoo.case import Case
from tests.zoo.colours import slot_classes
from tests.zoo.extracted import extract, graph_of
from tests.zoo.reuse import Leftovers

SEEDS = 3
# One check of each kind is enough for what the oracle says about columns; it costs many runs.
CONTROLLED = frozenset({"mlp-relu", "conv-flatten-linear", "resnet-basic", "mha", "lstm", "unet"})


def params(table: Mapping[str, str], *, only: frozenset[str] | None = None) -> list[Any]:
    """All cases as test parameters, those in `table` as strict expected failures."""
    unknown = table.keys() - CASES.keys()
    assert not unknown, f"tests/zoo/xfail.py names unknown cases: {sorted(unknown)}"
    out = []
    for case in CASES.values():
        marks = [pytest.mark.slow] if case.heavy else []
        if case.name in table:
            marks.append(pytest.mark.xfail(reason=table[case.name], strict=True))
        if only is None or case.name in only:
            out.append(pytest.param(case, id=case.name, marks=marks))
    return out


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Equal dtype, shape and bits: NaN equals NaN, 0.0 differs from -0.0."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    bytes_of = [t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (left, right)]
    return torch.equal(*bytes_of)


def assert_exact(graph: ParameterGraph, model: nn.Module) -> None:
    """P2: every entry of the state_dict comes back bit for bit, from slots and from edges."""
    expected = model.state_dict()
    from_edges = graph.to_state_dict(graph.edge_values())
    for found in (graph.to_state_dict(), from_edges):
        assert found.keys() == expected.keys()
        wrong = [k for k in expected if not same_bits(found[k], expected[k])]
        assert not wrong, f"P2: {wrong} came back changed"


@pytest.mark.parametrize("case", params(xfail.MEANING))
def test_means_the_network(case: Case) -> None:
    """P1, P2, P3, P7, and the text form."""
    model, args, kwargs = case.make()
    graph = graph_of(case.name)
    graph.verify()
    assert_exact(graph.bind(model.state_dict()), model)
    assert ParameterGraph.parse(graph.to_text()) == replace(graph, values={})
    if case.parameters is not None:
        assert graph.num_parameters == case.parameters
    report = run_oracle(model, graph, args, kwargs, seeds=SEEDS, controls=case.name in CONTROLLED)
    assert report.ok, str(report)


@pytest.mark.parametrize("case", params(xfail.STRUCTURE))
def test_structure_is_the_architecture_alone(case: Case) -> None:
    """P5: other weights, another batch, another size give the same graph."""
    expected = graph_of(case.name)
    options: dict[str, int] = {"seed": 1}
    if case.batched:
        options["batch"] = 3
    if case.resized is not None:
        options["size"] = case.resized
    found = extract(case, **options)
    assert found.signature == expected.signature, f"differs with {options}"


@pytest.mark.parametrize("case", [p for p in params(xfail.SYMMETRY) if p.values[0].classes])
def test_known_symmetries(case: Case) -> None:
    """P4: what the architecture lets one exchange, the graph does not tell apart; and no more."""
    found = slot_classes(graph_of(case.name))
    assert {slot: found[slot] for slot in case.classes} == dict(case.classes)


def test_architectures_have_different_signatures() -> None:
    """Two branches that differ in an activation, a factor or a dilation are not one model."""
    names = [n for n in CASES if n.startswith(("mlp-", "branches-")) and n not in xfail.STRUCTURE]
    signatures = {graph_of(name).signature for name in names}
    assert len(signatures) == len(names)


def forget(graph: ParameterGraph, columns: str) -> ParameterGraph:
    """The graph without some of the things that keep its symmetries honest."""
    dropped = set(columns.split("+"))

    def edge(bundle: Bundle) -> Bundle:
        return replace(
            bundle,
            label=IndexMap.constant(-1) if "label" in dropped else bundle.label,
            history=IndexMap.constant(0) if "history" in dropped else bundle.history,
            operand=-1 if "operand" in dropped else bundle.operand,
        )

    groups = graph.groups
    if "pin" in dropped:
        free = IndexMap.constant(-1)
        groups = tuple(replace(g, label=free, pin=free) for g in groups)
    return replace(graph, groups=groups, bundles=tuple(map(edge, graph.bundles)))


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ("pin", "mlp-relu"), ("pin", "embedding-pooling"), ("label", "conv2d"),
        ("label", "conv-flatten-linear"), ("label+history", "siamese-cat"), ("operand", "minus"),
        ("operand+history", "swiglu"), ("operand+history", "einsum-attention"),
        ("history", "branches-activation"), ("history", "branches-scale"),
        ("history", "branches-dilation"), ("history", "branches-roll"), ("history", "crelu"),
    ],
)  # fmt: skip
def test_forgetting_is_caught(columns: str, name: str) -> None:
    """The oracle can fail: without these columns a symmetry appears that breaks the network."""
    model, args, kwargs = CASES[name].make()
    broken = forget(graph_of(name), columns)
    report = run_oracle(model, broken, args, kwargs, seeds=5, controls=False)
    assert not report.ok, f"nothing noticed that {name} lost {columns}"


def test_merged_units_are_caught() -> None:
    """A graph of one network does not pass for another of the same shapes."""
    graph = graph_of("branches-same")
    model, args, kwargs = CASES["branches-activation"].make()
    assert not run_oracle(model, graph, args, kwargs, seeds=5, controls=False).ok


def test_every_bit_pattern_survives() -> None:
    """P2 for NaN, infinities and negative zero."""
    graph = graph_of("bfloat16")
    model, _, _ = CASES["bfloat16"].make()
    with torch.no_grad():
        first = next(model.parameters()).view(-1)
        first[:4] = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0])
    assert_exact(graph.bind(model.state_dict()), model)


def test_what_nothing_reads_is_reported_by_name() -> None:
    """P1: unused entries and unread elements are named, frozen ones are marked."""
    graph = graph_of("leftovers")
    slots = {slot.name: slot for slot in graph.slots}
    assert [s.name for s in graph.slots if not s.used] == ["token", "aux.weight", "aux.bias"]
    assert all(s.reason for s in graph.slots if not s.used)
    assert dict(graph.unread) == {"rows": 12}
    assert not slots["stem.weight"].trainable
    assert slots["head.weight"].trainable
    assert list(slots) == list(Leftovers().state_dict())


def test_order_of_registration_does_not_matter() -> None:
    """P5: two models that differ in the order of their state_dict have one signature."""

    class Net(nn.Module):
        def __init__(self, *order: str) -> None:
            super().__init__()
            layers = {"a": nn.Linear(3, 4), "b": nn.Linear(4, 2)}
            for name in order:
                setattr(self, name, layers[name])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(torch.relu(self.a(x)))

    graphs = [gmn_fx.extract(Net(*order), (torch.randn(2, 3),)) for order in ("ab", "ba")]
    assert graphs[0].signature == graphs[1].signature
    assert [s.name for s in graphs[0].slots] != [s.name for s in graphs[1].slots]


SHORT_LIST = ("mlp-relu", "resnet-basic", "encoder-layer", "lstm-bidirectional", "moe-dense")
_PRINT = (
    "import sys, gmn_fx\n"
    "from tests.zoo import CASES\n"
    "for name in sys.argv[1:]:\n"
    "    model, args, kwargs = CASES[name].make()\n"
    "    print(gmn_fx.extract(model, args, kwargs).to_text())\n"
)


def test_same_bytes_in_another_process() -> None:
    """P6: the text does not depend on hash seeds or on what ran before."""
    done = subprocess.run(
        [sys.executable, "-c", _PRINT, *SHORT_LIST],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
    )
    assert done.stdout == "".join(graph_of(name).to_text() + "\n" for name in SHORT_LIST)

"""The sizes that the authors' code gives for their networks, however these are written."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
import torch

import gmn_fx
from gmn_fx.graph.model import ParameterGraph
from tests.paper.families import ATTENTIONS, DeepSets, FunctionalCNN, Make, ViT, cnn, resnet

# Makers of one architecture, with (parameters, nodes, edges) of its graph.
FAMILIES: dict[str, tuple[tuple[int, int, int], dict[str, Make]]] = {
    "cnn": ((11_658, 117, 11_658), {"modules": cnn, "functions": FunctionalCNN}),
    "resnet": (
        (34_666, 203, 34_730),
        {"branch first": resnet, "skip first": lambda: resnet(skip_first=True)},
    ),
    "vit": (
        (103_754, 995, 104_010),
        {how: lambda how=how: ViT(how=how) for how in ATTENTIONS}  # type: ignore[misc]
        | {"persistent code": lambda: ViT(persistent=True)},
    ),
    "deepsets": (
        (5_866, 152, 5_866),
        {
            "layers": DeepSets,
            "parameters": lambda: DeepSets(how="parameters"),
            "persistent code": lambda: DeepSets(persistent=True),
        },
    ),
}
ALL = [(f, v) for f, (_, makers) in FAMILIES.items() for v in makers]


def graph_of(family: str, variant: str, *, train: bool = False, batch: int = 2) -> ParameterGraph:
    torch.manual_seed(0)
    model = FAMILIES[family][1][variant]().train(train)
    return gmn_fx.extract(model, (torch.randn(batch, 3, 8, 8),), style="paper", name=family)


def residual_edges(graph: ParameterGraph) -> int:
    return sum(b.src.expand(b.shape).size for b in graph.bundles if b.kind == "residual")


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("family", "variant"), ALL)
def test_counts(family: str, variant: str, train: bool) -> None:
    graph = graph_of(family, variant, train=train)
    parameters, nodes, edges = FAMILIES[family][0]
    assert sum(s.numel for s in graph.slots if s.trainable) == parameters
    assert (graph.num_nodes, graph.num_edges) == (nodes, edges)
    assert residual_edges(graph) == edges - parameters
    assert not any("the paper has no construction for" in note for note in graph.notes)
    assert all(s.used for s in graph.slots if s.trainable)
    assert graph.meta["style"] == "paper"
    assert graph.histories == ("",)
    graph.verify(level="values")  # P1, P2, and P7 but for parallel edges


@pytest.mark.parametrize("family", FAMILIES)
def test_all_ways_of_writing_give_one_set_of_nodes_and_edges(family: str) -> None:
    def kinds(variant: str) -> Counter[tuple[str, str, int]]:
        graph = graph_of(family, variant)
        found: Counter[tuple[str, str, int]] = Counter()
        for g in graph.groups:
            found["node", g.kind, g.depth] += g.size
        for b in graph.bundles:
            found[b.kind, "", b.depth] += b.src.expand(b.shape).size
        return found

    first, *others = FAMILIES[family][1]
    for variant in others:
        assert kinds(variant) == kinds(first), variant


def test_what_is_left_out_is_listed_with_its_reason() -> None:
    graph = graph_of("deepsets", "persistent code")
    reasons = {s.name: s.reason for s in graph.slots if not s.used}
    assert "the paper's graph has none" in reasons["norms.0.running_var"]
    assert "buffer" in reasons["pe"]
    assert reasons["norms.0.num_batches_tracked"].startswith("integer buffer")


@pytest.mark.parametrize("family", FAMILIES)
def test_structure_does_not_depend_on_batch_weights_or_mode(family: str) -> None:
    variant = next(iter(FAMILIES[family][1]))
    first = graph_of(family, variant)
    assert graph_of(family, variant, batch=3).signature == first.signature
    assert graph_of(family, variant, train=True).signature == first.signature


@pytest.mark.parametrize("make", [cnn, resnet], ids=["cnn", "resnet"])
def test_structure_does_not_depend_on_the_size_of_the_image(make: Make) -> None:
    graphs = [gmn_fx.extract(make().eval(), (torch.randn(2, 3, n, n),), style="paper")
              for n in (8, 13)]  # fmt: skip
    assert graphs[0].signature == graphs[1].signature


def test_structure_is_the_same_in_another_process() -> None:
    code = (
        "import torch\nfrom tests.paper.test_families import graph_of\n"
        "print(graph_of('vit', 'sdpa').to_text(), end='')"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert other.stdout == graph_of("vit", "sdpa").to_text()

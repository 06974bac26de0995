"""Proposition 3: a GMN computes a layer of NP-NFN exactly.

NP-NFN (Zhou et al., "Permutation equivariant neural functionals", NeurIPS 2023): the linear layer
on all weights W^l [n_l, n_l-1] and biases b^l [n_l] of an MLP that commutes with permutations of
its neurons, inputs and outputs included. A `*` below is a sum over the axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from gmn_fx.gmn import EquivariantGMN, GraphBatch, Vocabulary
from gmn_fx.graph.model import ParameterGraph
from tests.gmn.handset import (
    EXECUTORS,
    SIGNS,
    carry,
    copy,
    edge_kind,
    exact,
    multiply,
    perceptron,
    row,
    silence,
    sum_edges,
)

DEEP = 3  # layers of the MLP
TYPES = 2 * DEEP  # of parameters: W^1 .. W^3, b^1 .. b^3
WIDTH = 4 * TYPES
# What a weight W^l_jk reads beside the totals, and what a bias b^l_j does.
OF_WEIGHT = ("own", "row_j", "next_j", "bias_j", "column_k", "row_k", "bias_k")
OF_BIAS = ("own", "row_j", "next_j")


@dataclass(frozen=True)
class Layer:
    """Coefficients of one layer. totals: [TYPES, TYPES]. local: [TYPES], by name of the term."""

    totals: Tensor
    local: dict[str, Tensor]

    @staticmethod
    def random(seed: int) -> Layer:
        g = torch.Generator().manual_seed(seed)
        draw = [torch.randn(TYPES, generator=g, dtype=torch.float64) for _ in OF_WEIGHT]
        totals = torch.randn(TYPES, TYPES, generator=g, dtype=torch.float64)
        return Layer(totals, dict(zip(OF_WEIGHT, draw, strict=True)))

    def __call__(self, weights: list[Tensor], biases: list[Tensor]) -> list[Tensor]:
        """Dense tensors in, dense tensors out: W^1 .. W^L, b^1 .. b^L."""
        whole = torch.stack([t.sum() for t in (*weights, *biases)])
        out = [torch.full_like(t, float(c @ whole))
               for t, c in zip((*weights, *biases), self.totals, strict=True)]  # fmt: skip
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            c, d = ({name: v[t] for name, v in self.local.items()} for t in (i, DEEP + i))
            at_j = [c["row_j"] * w.sum(1) + c["bias_j"] * b, d["row_j"] * w.sum(1)]
            at_k = c["column_k"] * w.sum(0)
            if i + 1 < DEEP:
                at_j = [
                    a + x["next_j"] * weights[i + 1].sum(0)
                    for a, x in zip(at_j, (c, d), strict=True)
                ]
            if i:
                at_k = at_k + c["row_k"] * weights[i - 1].sum(1) + c["bias_k"] * biases[i - 1]
            out[i] = out[i] + c["own"] * w + at_j[0][:, None] + at_k[None, :]
            out[DEEP + i] = out[DEEP + i] + d["own"] * b + at_j[1]
        return out


def metanet(graph: ParameterGraph, nfn: Layer) -> EquivariantGMN:
    """The same layer as a GMN of three rounds on the parameter graph."""
    vocabulary = Vocabulary.fit([graph])
    config = exact(WIDTH, layers=3, directions="both")
    head = EquivariantGMN(config, vocabulary, scale=1.0).double()
    net: Any = head.gmn
    silence(net)
    with torch.no_grad():
        head.readout.weight.zero_()
        head.readout.bias.zero_()
        for i, kind in enumerate(("weight", "bias")):
            row(net, "edge", "kind", edge_kind(vocabulary, kind))[1 + i] = 1
        for i in range(DEEP):
            row(net, "edge", "depth", i + 1)[3 + i] = 1
        name_types(net.layers[0])
        take_sums(net.layers[1])
        combine(net.layers[2], nfn, head.readout.weight)
    return head


def name_types(layer: Any) -> None:
    """Round 1: channel 1 + t of an edge is 1 if it is of type t; channel 0 stays its value."""
    carry(layer, 0, 0, 0)
    for t in range(TYPES):
        multiply(layer, 2 + 2 * t, 1 + t // DEEP, 3 + t % DEEP, 1 + t)


def take_sums(layer: Any) -> None:
    """Round 2: values by type on edges (t, the flags after them), at nodes, and in u.

    Channel t of a node is the sum of type t over the edges that end there: rows of W^l, and b^l.
    Channel TYPES + l: over the edges of W^l that begin there, its columns.
    """
    for t in range(TYPES):
        multiply(layer, 2 * t, 0, 1 + t, t)
        carry(layer, 2 * TYPES + 2 * t, 1 + t, TYPES + t)
        for k, sign in enumerate(SIGNS):
            layer.to_dst.weight[t, 2 * t + k] = sign / 4
            layer.to_src.weight[t, 2 * t + k] = sign / 4
        copy(layer.node, 2 * t, WIDTH + t, t)
    for i in range(DEEP):
        copy(layer.node, 2 * TYPES + 2 * i, 2 * WIDTH + i, TYPES + i)
    sum_edges(layer, TYPES)


def combine(layer: Any, nfn: Layer, readout: Tensor) -> None:
    """Round 3: an edge of type t reads out the sum of the terms of its type, times its flag."""
    at_dst, at_src, on_edge, whole = (i * WIDTH for i in range(4))
    for t in range(TYPES):
        i, c = t % DEEP, {name: float(v[t]) for name, v in nfn.local.items()}
        terms = {on_edge + t: c["own"], at_dst + i: c["row_j"]}
        terms |= {whole + s: float(nfn.totals[t, s]) for s in range(TYPES)}
        if i + 1 < DEEP:
            terms[at_dst + TYPES + i + 1] = c["next_j"]
        if t < DEEP:
            terms |= {at_dst + DEEP + i: c["bias_j"], at_src + TYPES + i: c["column_k"]}
            if i:
                terms |= {at_src + i - 1: c["row_k"], at_src + DEEP + i - 1: c["bias_k"]}
        for k, sign in enumerate(SIGNS):
            for column, value in terms.items():
                layer.edge.weight[2 * t + k, column] = value
            layer.edge.weight[2 * t + k, on_edge + TYPES + t] += sign
            readout[0, 2 * t + k] = sign / 4


def split(state: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    tensors = [t.detach() for t in state.values()]
    return [t for t in tensors if t.dim() == 2], [t for t in tensors if t.dim() == 1]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_metanet_is_a_layer_of_np_nfn(executor: Any, seed: int) -> None:
    graphs = [perceptron(seed + n)[1] for n in range(2)]
    graphs = [graphs[0], graphs[0].bind(graphs[1].to_state_dict())]
    nfn = Layer.random(seed)
    head = metanet(graphs[0], nfn)
    head.gmn.executor = executor
    found = head(GraphBatch.of(graphs)).state_dicts(add=False)
    for graph, state in zip(graphs, found, strict=True):
        expected = nfn(*split(graph.to_state_dict()))
        weights, biases = split(state)
        for one, two in zip((*weights, *biases), expected, strict=True):
            assert float((one - two).abs().max() / two.abs().max()) < 1e-10


@pytest.mark.parametrize("term", ["totals", *OF_WEIGHT])
def test_every_term_counts(term: str) -> None:
    """Had a term no effect, or no place in one of the two, the comparison would not see it."""
    graph = perceptron()[1]
    nfn = Layer.random(0)
    changed = nfn.totals if term == "totals" else nfn.local[term]
    before = head_output(graph, nfn)
    old = nfn(*split(graph.to_state_dict()))
    changed += 0.5
    new, after = nfn(*split(graph.to_state_dict())), head_output(graph, nfn)
    moved = False
    for a, b, c, d in zip(old, new, before, after, strict=True):
        assert torch.allclose(b - a, d - c, atol=1e-10)
        moved = moved or bool(((b - a).abs() > 1e-3).any())
    assert moved


def head_output(graph: ParameterGraph, nfn: Layer) -> list[Tensor]:
    weights, biases = split(metanet(graph, nfn)([graph]).state_dicts(add=False)[0])
    return [*weights, *biases]


def test_the_dense_layer_is_equivariant() -> None:
    """Of hidden neurons, inputs and outputs: else it is not the layer that we compare with."""
    weights, biases = split(perceptron()[0].state_dict())
    nfn = Layer.random(3)
    g = torch.Generator().manual_seed(0)
    order = [torch.randperm(n, generator=g) for n in (3, 5, 4, 2)]
    order[3] = torch.tensor([1, 0])

    def permuted(ws: list[Tensor], bs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return (
            [w[order[i + 1]][:, order[i]] for i, w in enumerate(ws)],
            [b[order[i + 1]] for i, b in enumerate(bs)],
        )

    out = nfn(weights, biases)
    moved = permuted(out[:DEEP], out[DEEP:])
    again = nfn(*permuted(weights, biases))
    assert all(torch.allclose(a, b) for a, b in zip((*moved[0], *moved[1]), again, strict=True))

"""What the paper's construction does not tell apart, measured by the oracle on small networks.

    python tools/paper_gap.py             # prints the table
    python tools/paper_gap.py --write     # puts it into docs/paper-style.md

An automorphism of a sound graph leaves the network's function unchanged. For each network the
oracle draws automorphisms of its paper graph and of its exact graph, permutes random weights by
them, and measures how far the outputs move (relative to their largest entry, in float64).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gmn_fx
from gmn_fx.symmetry import verify

DOC = Path(__file__).parents[1] / "docs" / "paper-style.md"
BEGIN, END = "<!-- table: tools/paper_gap.py -->", "<!-- end of table -->"
SEEDS = 5


@dataclass(frozen=True)
class Gap:
    """One distinction: its network, an example, and what else of the paper graph is told apart."""

    name: str
    model: nn.Module
    x: Tensor
    told: Callable[[gmn_fx.ParameterGraph], gmn_fx.ParameterGraph] = lambda graph: graph

    def errors(self, seeds: int = SEEDS) -> tuple[float, float]:
        """(paper, exact): the largest change of the output under an automorphism of each graph."""
        found = []
        for style in ("paper", "exact"):
            graph = gmn_fx.extract(self.model, (self.x,), style=style)
            graph = self.told(graph) if style == "paper" else graph
            report = verify(self.model, graph, (self.x,), seeds=seeds, controls=False)
            found.append(report.max_error)
        return found[0], found[1]


class Attention(nn.Module):
    """Self-attention and a linear layer."""

    def __init__(self, heads: int, width: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        parts = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(*parts)
        return self.out(y.transpose(1, 2).flatten(2))


class Sets(nn.Module):
    """x A + mean(x) B, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.mean = nn.Linear(3, 6), nn.Linear(3, 6, bias=False)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, 3] -> [B, N, 2]."""
        return self.out((self.own(x) + self.mean(x.mean(1, keepdim=True))).tanh())


class Branches(nn.Module):
    """Two linear layers with their own functions, side by side."""

    def __init__(self, *functions: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 4) for _ in functions)
        self.functions, self.out = functions, nn.Linear(4 * len(functions), 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3] -> [B, 2]."""
        parts = zip(self.functions, self.layers, strict=True)
        return self.out(torch.cat([fn(layer(x)) for fn, layer in parts], -1))


class Dilations(nn.Module):
    """Two convolutions side by side that differ in their dilation alone."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv1d(2, 3, 3, padding=1)
        self.far = nn.Conv1d(2, 3, 3, padding=2, dilation=2)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 2, L] -> [B, 2]."""
        both = torch.cat([self.near(x), self.far(x)], 1)
        return self.out(both.relu().mean(2))


def queries_told(graph: gmn_fx.ParameterGraph) -> gmn_fx.ParameterGraph:
    """`graph` with queries, keys and values told apart, so that heads are all that is left."""
    number = {"q": 0, "k": 1, "v": 2}
    bundles = (replace(b, operand=number.get(b.name, b.operand)) for b in graph.bundles)
    return replace(graph, bundles=tuple(bundles))


def gaps() -> Iterator[Gap]:
    """The distinctions that the paper's construction does not make."""
    torch.manual_seed(0)
    tokens, points = torch.randn(2, 5, 8), torch.randn(2, 5, 3)
    yield Gap("queries, keys and values (one head)", Attention(1), tokens)
    yield Gap("heads (queries, keys and values told apart)", Attention(2), tokens, queries_told)
    yield Gap("the two matrices of DeepSets", Sets(), points)
    yield Gap("activations (ReLU beside tanh)", Branches(torch.relu, torch.tanh), points[:, 0])
    yield Gap("dilation (1 beside 2)", Dilations(), torch.randn(2, 2, 9))


def table() -> str:
    """The measured table in Markdown."""
    rows = ["| not told apart in the paper style | paper | exact |", "|---|---|---|"]
    for gap in gaps():
        paper, exact = gap.errors()
        rows.append(f"| {gap.name} | {paper:.1e} | {_bound(exact)} |")
    return "\n".join(rows)


def _bound(error: float) -> str:
    """Rounding differs from machine to machine; that it is rounding does not."""
    return "at most 1e-9" if error <= 1e-9 else f"{error:.1e}"


def main() -> None:
    """Print the table, or write it into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--write", action="store_true", help=f"update {DOC.name}")
    made = table()
    if parser.parse_args().write:
        before, rest = DOC.read_text().split(BEGIN)
        made = f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END)[1]}"
        DOC.write_text(made)
    else:
        print(made)


if __name__ == "__main__":
    main()

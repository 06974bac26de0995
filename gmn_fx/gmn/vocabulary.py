"""Which categories a metanet knows: for every integer column of the schema the numbers it has seen.

The numbers of ops and histories are hashes (see `gmn_fx.graph.schema`); an embedding needs rows. A
vocabulary is the sorted list of the numbers of a column, so the row of a number is found by binary
search; row 0 is "other".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from gmn_fx.errors import GraphError, UsageError
from gmn_fx.gmn.sizes import Measure, Scales, Sizes
from gmn_fx.graph.arrays import node_table
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.graph.schema import EDGE_COLUMNS, NODE_COLUMNS, edge_kind_id, schema_of, stable_id


@dataclass(frozen=True)
class Vocabulary:
    """What the graphs had that it was fitted on.

    numbers: ascending, of every column (`node.kind`, ..., `edge.kind`, ...). names: their meaning.
    scales: root mean square of the values on the edges of (kind, depth); of a kind at any depth
        under depth -2. wide_scales: the same of values times the fan-in of their target, for
        `aggregation="fan_in"`. sizes: of a typical graph.
    """

    numbers: Mapping[str, tuple[int, ...]]
    names: Mapping[str, Mapping[int, str]]
    scales: Scales
    wide_scales: Scales
    sizes: Sizes

    @classmethod
    def fit(cls, graphs: Iterable[ParameterGraph]) -> Vocabulary:
        """Everything that occurs in `graphs`; one graph for each architecture is enough."""
        seen: dict[str, set[int]] = {}
        names: dict[str, dict[int, str]] = {}
        done: set[int] = set()
        kept = []  # graphs of one architecture share their bundles: keep these alive for id()
        measure = Measure()
        for graph in graphs:
            measure.add(graph)
            if id(graph.bundles) in done:
                continue
            done.add(id(graph.bundles))
            kept.append(graph.bundles)
            for column, values in _columns(graph).items():
                seen.setdefault(column, set()).update(values)
            for column, words in schema_of(graph).vocabularies.items():
                names.setdefault(column, {}).update(words)
        if not seen:
            raise UsageError(
                "Vocabulary.fit got no graph", hint="give the graphs that the metanet will train on"
            )
        numbers = {c: tuple(sorted(v)) for c, v in seen.items()}
        return cls(numbers, names, measure.scales(), measure.wide_scales(), measure.sizes())

    def size(self, column: str) -> int:
        """Rows of an embedding of `column`: the known numbers and "other" (row 0)."""
        return len(self.numbers[column]) + 1

    def to_json(self) -> str:
        """One JSON object."""
        scales, wide = (
            [[kind, depth, value] for (kind, depth), value in table.items()]
            for table in (self.scales, self.wide_scales)
        )
        data = {
            "numbers": self.numbers, "names": self.names, "scales": scales, "wide_scales": wide,
            "sizes": asdict(self.sizes),
        }  # fmt: skip
        return json.dumps(data, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """What `to_json` wrote."""
        try:
            data = json.loads(text)
            numbers = {c: tuple(int(n) for n in v) for c, v in data["numbers"].items()}
            names = {c: {int(n): str(t) for n, t in w.items()} for c, w in data["names"].items()}
            scales, wide = (
                {(int(k), int(d)): float(v) for k, d, v in data[name]}
                for name in ("scales", "wide_scales")
            )
            sizes = Sizes(**{name: float(v) for name, v in data["sizes"].items()})
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise UsageError(f"this is not the vocabulary of a GMN: {error}") from error
        return cls(numbers, names, scales, wide, sizes)


def rows(
    known: Tensor, column: str, numbers: Tensor, *, unseen: str, words: Mapping[int, str]
) -> Tensor:
    """Rows of the embedding of `column` for `numbers` (int64, any shape).

    Args:
        known: the ascending numbers of the vocabulary.
        column: its name, for the error.
        numbers: int64, any shape.
        unseen: "error" or "other".
        words: names of the numbers of this graph, for the error.
    """
    if len(known) == 0:
        place = torch.zeros_like(numbers)
        found = torch.zeros_like(numbers, dtype=torch.bool)
    else:
        place = torch.searchsorted(known, numbers).clamp(max=len(known) - 1)
        found = known[place] == numbers
    if unseen == "error" and not bool(found.all()):
        raise _unseen(column, numbers[~found], words)
    return torch.where(found, place + 1, 0)


def _unseen(column: str, numbers: Tensor, words: Mapping[int, str]) -> GraphError:
    some = sorted({int(n) for n in numbers.reshape(-1)[:1000]})[:3]
    table, _, name = column.partition(".")
    listed = ", ".join(repr(words[n]) if n in words else str(n) for n in some)
    return GraphError(
        f"the metanet has never seen {table} {name} {listed}",
        hint='fit the vocabulary on graphs that have it, or use GMNConfig(unseen="other")',
    )


def _columns(graph: ParameterGraph) -> dict[str, set[int]]:
    """Column -> the numbers that occur."""
    nodes = torch.from_numpy(node_table(graph))
    out = {f"node.{c}": set(nodes[:, i].unique().tolist()) for i, c in enumerate(NODE_COLUMNS)}
    for column in EDGE_COLUMNS:
        out[f"edge.{column}"] = set()
    for bundle in graph.bundles:
        if 0 in bundle.shape:
            continue
        out["edge.kind"].add(edge_kind_id(bundle.kind))
        out["edge.op"].add(stable_id(bundle.op))
        out["edge.depth"].add(bundle.depth)
        out["edge.operand"].add(bundle.operand)
        out["edge.label"].update(torch.from_numpy(bundle.label.compact()).unique().tolist())
        numbers = torch.from_numpy(bundle.history.compact()).unique().tolist()
        out["edge.history"].update(stable_id(graph.histories[i]) for i in numbers)
    return out

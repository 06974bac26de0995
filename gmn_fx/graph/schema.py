"""The integer columns that a metanet sees: names, vocabularies, and how they are numbered.

Every integer is a pure function of a string, so it means the same in every graph, on every machine:

- kinds count by their place in `NODE_KINDS` and `EDGE_KINDS`;
- ops and histories go through `stable_id`: 0 for the empty string, the place in `KNOWN_OPS`
  (from 1) for the names listed there, `2**20 + crc32(text) % 2**30` for all others;
- depth, label, pin and operand are what the graph says, -1 where they do not apply.

Columns of a node: `kind`, `op` (the operation that made it), `depth` (layer number), `label` (-1
for a free node; inputs, outputs, vocabulary entries and positions are told apart by it), `pin`
(which pinned set the label belongs to). Columns of an edge: `kind`, `op` (the operation that
reads it), `depth`, `label` (which of several parallel edges: a kernel offset, a position),
`operand` (which operand of an op that does not commute), `history` (elementwise functions and
static attributes on the way), and `direction` (0 forward, 1 reversed) where reversed edges were
asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmn_fx.errors import GraphError

if TYPE_CHECKING:
    from gmn_fx.graph.model import ParameterGraph

NODE_KINDS = (
    "input", "constant", "bias", "vocabulary", "position", "neuron", "channel", "statistic",
    "product", "sum", "state", "opaque",
)  # fmt: skip
EDGE_KINDS = (
    "weight", "bias", "gain", "shift", "running", "embedding", "flow", "residual", "statistic",
    "operand", "opaque",
)  # fmt: skip
NODE_COLUMNS = ("kind", "op", "depth", "label", "pin")
EDGE_COLUMNS = ("kind", "op", "depth", "label", "operand", "history")
DIRECTION = "direction"

# Append only: the place of a name is its number in every graph that was ever saved.
KNOWN_OPS = (
    "input", "output", "linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "convolution", "embedding", "embedding_bag",
    "layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm", "normalize", "bias",
    "residual", "add", "sub", "mul", "div", "pow", "maximum", "minimum", "where", "matmul", "mm",
    "bmm", "addmm", "einsum", "attention", "scaled_dot_product_attention", "softmax", "log_softmax",
    "sum", "mean", "prod", "max", "min", "amax", "amin", "var", "std", "norm", "logsumexp",
    "cumsum",
    "lstm", "gru", "rnn_tanh", "rnn_relu", "recurrent", "relu", "gelu", "silu", "sigmoid", "tanh",
    "sin", "cos", "exp", "prelu", "constant", "statistic", "product", "opaque",
    "split", "pair", "row", "column", "parameter", "root",
)  # fmt: skip

_KNOWN = {name: number for number, name in enumerate(KNOWN_OPS, start=1)}
_HASHED = 2**20


def stable_id(text: str) -> int:
    """The number of an op name or a history, the same in every graph and process."""
    if not text:
        return 0
    known = _KNOWN.get(text)
    if known is not None:
        return known
    return _HASHED + zlib.crc32(text.encode("utf-8", "surrogatepass")) % 2**30


def node_kind_id(kind: str) -> int:
    """The number of a node kind; GraphError (P7) when it is not in the vocabulary."""
    return _kind_id(kind, NODE_KINDS, "node")


def edge_kind_id(kind: str) -> int:
    """The number of an edge kind; GraphError (P7) when it is not in the vocabulary."""
    return _kind_id(kind, EDGE_KINDS, "edge")


def _kind_id(kind: str, kinds: tuple[str, ...], what: str) -> int:
    try:
        return kinds.index(kind)
    except ValueError:
        raise GraphError(
            f"P7: {what} kind {kind!r} is not in the vocabulary",
            hint=f"use one of {', '.join(kinds)}",
        ) from None


@dataclass(frozen=True)
class Schema:
    """Column names of `x` and `edge_type`, and what their integers mean.

    vocabularies: "node.kind", "node.op", "edge.kind", "edge.op", "edge.history" and
    "edge.direction" -> number -> string. Kinds are complete; ops and histories are those that occur
    in this graph. Columns without a vocabulary are plain numbers.
    """

    node_columns: tuple[str, ...]
    edge_columns: tuple[str, ...]
    vocabularies: Mapping[str, Mapping[int, str]]

    def describe(self, table: str, column: str, number: int) -> str:
        """The string behind `number` in a column of `table` ("node" or "edge")."""
        words = self.vocabularies.get(f"{table}.{column}")
        return str(number) if words is None else words.get(number, str(number))


def schema_of(graph: ParameterGraph) -> Schema:
    """The schema of `graph`; GraphError when two of its strings share a number."""
    return Schema(
        NODE_COLUMNS,
        EDGE_COLUMNS,
        {
            "node.kind": dict(enumerate(NODE_KINDS)),
            "node.op": vocabulary(g.op for g in graph.groups),
            "edge.kind": dict(enumerate(EDGE_KINDS)),
            "edge.op": vocabulary(b.op for b in graph.bundles),
            "edge.history": vocabulary(graph.histories),
            "edge.direction": {0: "forward", 1: "reversed"},
        },
    )


def vocabulary(texts: Iterable[str]) -> dict[int, str]:
    """Number -> string of `texts`, ascending; GraphError when two of them share a number."""
    words: dict[int, str] = {}
    for text in texts:
        other = words.setdefault(stable_id(text), text)
        if other != text:
            raise GraphError(
                f"P7: {text!r} and {other!r} have the same number {stable_id(text)}",
                hint="rename one of the two: names are hashed to 30 bits",
            )
    return dict(sorted(words.items()))

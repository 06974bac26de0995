"""Initial states: an embedding for every categorical column, a linear map of value features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.sizes import ANY_DEPTH
from gmn_fx.gmn.vocabulary import Vocabulary, rows
from gmn_fx.graph.schema import EDGE_COLUMNS, NODE_COLUMNS


class ColumnEmbedding(nn.Module):
    """The sum of one embedding for each integer column of nodes or of edges."""

    def __init__(self, vocabulary: Vocabulary, which: str, width: int, unseen: str) -> None:
        super().__init__()
        self.columns = NODE_COLUMNS if which == "node" else EDGE_COLUMNS
        self.which, self.unseen = which, unseen
        self.words = {c: vocabulary.names.get(f"{which}.{c}", {}) for c in self.columns}
        self.embeddings = nn.ModuleDict()
        for column in self.columns:
            name = f"{which}.{column}"
            table = nn.Embedding(vocabulary.size(name), width)
            # half as large as what values add: a metanet first of all reads weights
            nn.init.normal_(table.weight, std=0.5 * len(self.columns) ** -0.5)
            self.embeddings[column] = table
            known = torch.tensor(vocabulary.numbers[name], dtype=torch.int64)
            self.register_buffer(f"known_{column}", known, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """From int64 [n, columns] to [n, width]; GraphError for a category that is not known."""
        total: Tensor | None = None
        for i, column in enumerate(self.columns):
            name = f"{self.which}.{column}"
            known = self.get_buffer(f"known_{column}")
            row = rows(
                known,
                name,
                numbers[:, i].contiguous(),
                unseen=self.unseen,
                words=self.words[column],
            )
            part = self.embeddings[column](row)
            total = part if total is None else total + part
        assert total is not None
        return total


class Encoder(nn.Module):
    """Nodes: the embedding of their columns. Edges: that of theirs, and features of the value."""

    def __init__(self, config: GMNConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        d = config.hidden
        self.nodes = ColumnEmbedding(vocabulary, "node", d, config.unseen)
        self.edges = ColumnEmbedding(vocabulary, "edge", d, config.unseen)
        self.value = nn.Linear(config.value_features, d, bias=False)
        self.start = nn.Parameter(torch.randn(d)) if config.global_state else None
        nn.init.normal_(self.value.weight, std=config.value_features**-0.5)
        wide = config.aggregation == "fan_in"
        table = vocabulary.wide_scales if wide else vocabulary.scales
        keys = sorted(table)
        self.register_buffer("_scale_keys", torch.tensor([_key(*k) for k in keys]).long(), False)
        scales = torch.tensor([1 / table[k] for k in keys])
        self.register_buffer("_scales", scales, False)

    def scale(self, types: Tensor) -> Tensor:
        """What values on edges of these types (int64 [n, edge columns]) are multiplied by, [n].

        One over the root mean square of the values that the vocabulary saw on edges of this kind
        and depth, else of this kind, else 1; with `aggregation="fan_in"` of the values times the
        fan-in of their targets.
        """
        keys, scales = self.get_buffer("_scale_keys"), self.get_buffer("_scales")
        kind, depth = types[:, EDGE_COLUMNS.index("kind")], types[:, EDGE_COLUMNS.index("depth")]
        out = torch.ones(len(types), dtype=scales.dtype, device=types.device)
        if not len(keys):
            return out
        for wanted in (_key(kind, torch.full_like(depth, ANY_DEPTH)), _key(kind, depth)):
            place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
            out = torch.where(keys[place] == wanted, scales[place], out)
        return out


def _key(kind: Any, depth: Any) -> Any:
    """One number for a kind and a depth, ascending with the pair."""
    return kind * 2**32 + depth + 2

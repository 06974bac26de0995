"""What a metanet computes: the states of nodes and of u, and a readout of every edge."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class States:
    """nodes: [N, d] or [B, N, d]. whole: [B, d] or None. edges: [E, C] or [B, E, C], or None."""

    nodes: Tensor
    whole: Tensor | None
    edges: Tensor | None

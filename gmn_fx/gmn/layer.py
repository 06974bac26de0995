"""One round of message passing: the weights, and what happens at the nodes and at u.

    h_ij = act(W [v_i; v_j; e_ij; u] + b)      the hidden layer of MLP_e and of MLP_m
    e_ij <- W_e h_ij + b_e                     (Lim et al. 2024, equation 2)
    m_i   = AGG_j (W_m h_ij + b_m)
    v_i  <- v_i + MLP_v [v_i; m_i; u]          (equation 1)
    u    <- u + MLP_u [u; mean v; mean e]      (equation 3)

The two edge MLPs share their hidden layer; with twice the width they contain two separate ones.
Where messages go both ways, the edge sends W_m h_ij to i and W_s h_ij to j.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmn_fx.gmn.activation import ACTIVATIONS
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.sizes import Sizes


class Space(Protocol):
    """Where node states live: [N, d] of a flat batch, [B, N, d] of graphs of one architecture."""

    @property
    def fan_in(self) -> Tensor:
        """Edges that end at each node, [N]."""

    @property
    def fan_out(self) -> Tensor:
        """Edges that begin at each node, [N]."""

    def spread(self, u: Tensor) -> Tensor:
        """The state u [B, d] beside the node states."""

    def pool(self, v: Tensor, mean: bool) -> Tensor:
        """Sum or mean over the nodes of each graph: [B, d]."""

    def edges(self) -> Tensor:
        """Number of edges of each graph, [B, 1]."""


class MLP(nn.Module):
    """Linear, activation, linear; with a LayerNorm before the activation if asked for."""

    def __init__(self, config: GMNConfig, wide: int) -> None:
        super().__init__()
        d = config.hidden
        self.inner, self.outer = nn.Linear(wide, d), nn.Linear(d, d)
        self.norm = nn.LayerNorm(d) if config.norm == "inside" else nn.Identity()
        self.act = ACTIVATIONS[config.activation].pure
        nn.init.kaiming_normal_(self.inner.weight, nonlinearity="relu")
        nn.init.zeros_(self.inner.bias)

    def forward(self, *parts: Tensor) -> Tensor:
        """Of the concatenation of `parts`, all of width d, along the last axis."""
        return self.after(self.inner(torch.cat(torch.broadcast_tensors(*parts), -1)))

    def after(self, hidden: Tensor) -> Tensor:
        """From the argument of the hidden layer."""
        return self.outer(self.act(self.norm(hidden)))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """The weights of one round; the executors differ in how they compute the sums of messages.

    sizes: constants that sums are divided by where the metanet sums.
    """

    def __init__(self, config: GMNConfig, sizes: Sizes | None = None) -> None:
        super().__init__()
        d = config.hidden
        self.config, self.sizes = config, sizes or Sizes()
        both, whole = config.directions == "both", config.global_state
        self.edge = nn.Linear((4 if whole else 3) * d, d)
        self.edge_norm = nn.LayerNorm(d) if config.norm == "inside" else None
        self.edge_out = nn.Linear(d, d)
        self.to_dst = nn.Linear(d, d)
        self.to_src = nn.Linear(d, d) if both else None
        self.pre = nn.LayerNorm(d) if config.norm == "pre" else nn.Identity()
        self.node = MLP(config, (2 + both + whole) * d)
        self.whole = MLP(config, 3 * d) if whole else None
        self.drop = nn.Dropout(config.dropout)
        nn.init.kaiming_normal_(self.edge.weight, nonlinearity="relu")
        nn.init.zeros_(self.edge.bias)

    def hidden(self, z: Tensor) -> Tensor:
        """The hidden layer from its argument."""
        z = z if self.edge_norm is None else self.edge_norm(z)
        return ACTIVATIONS[self.config.on_edges].pure(z)

    def part(self, which: int) -> Tensor:
        """Columns of the edge MLP's first matrix: 0 destination, 1 source, 2 edge, 3 u; [d, d]."""
        return self.edge.weight[:, which * self.config.hidden : (which + 1) * self.config.hidden]

    def ends(
        self, space: Space, read: Tensor, u: Tensor | None, constant: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What the nodes add to the arguments of the edge MLP, as destinations and as sources.

        The biases and u are with the destinations. read: the states after the pre-norm. constant:
        [d], what the merged bias of the layer before adds.
        """
        bias = self.edge.bias if constant is None else self.edge.bias + constant
        src = F.linear(read, self.part(1))
        if u is None:
            return F.linear(read, self.part(0), bias), src
        shared = space.spread(F.linear(u, self.part(3), bias))
        return F.linear(read, self.part(0)) + shared, src

    def own(self, space: Space, read: Tensor, u: Tensor | None) -> Tensor:
        """What the nodes and u add to the argument of their own MLP."""
        d, inner = self.config.hidden, self.node.inner
        if u is None:
            return F.linear(read, inner.weight[:, :d], inner.bias)
        shared = space.spread(F.linear(u, inner.weight[:, -d:], inner.bias))
        return F.linear(read, inner.weight[:, :d]) + shared

    def absorb(
        self, space: Space, v: Tensor, own: Tensor, at_dst: Tensor, at_src: Tensor | None
    ) -> Tensor:
        """The next node states from `own` and the sums of hidden layers at the nodes.

        The last linear of MLP_m and the first of MLP_v are one matrix.
        """
        sums = [(at_dst, self.to_dst, space.fan_in, self.sizes.fan_in)]
        if at_src is not None and self.to_src is not None:
            sums.append((at_src, self.to_src, space.fan_out, self.sizes.fan_out))
        d = self.config.hidden
        hidden = own.expand(at_dst.shape).reshape(-1, d)
        constant: Tensor | None = None
        for i, (total, last, count, typical) in enumerate(sums, start=1):
            first = self.node.inner.weight[:, i * d : (i + 1) * d]
            number = count.to(total.dtype).unsqueeze(-1)
            if self.config.aggregation != "sum":
                total = total * number.clamp(min=1).reciprocal()
                number = (number > 0).to(total.dtype)
            else:
                total, number = total / typical, number / typical
            hidden = torch.addmm(hidden, total.reshape(-1, d), (first @ last.weight).T)
            part = number * (first @ last.bias)
            constant = part if constant is None else constant + part
        assert constant is not None
        return self._moved(v, self.node.after(hidden.view(total.shape) + constant))

    def _moved(self, v: Tensor, new: Tensor) -> Tensor:
        new = self.drop(new)
        return v + new if self.config.residual else new

    def update(
        self, space: Space, v: Tensor, read: Tensor, u: Tensor | None, messages: list[Tensor]
    ) -> Tensor:
        """The next node states as written: `read` are the states after the pre-norm."""
        parts = [read, *messages] if u is None else [read, *messages, space.spread(u)]
        return self._moved(v, self.node(*parts))

    def update_whole(self, space: Space, u: Tensor, v: Tensor, edges: Tensor) -> Tensor:
        """The next u; `edges`: sum of the next edge states [B, d]."""
        assert self.whole is not None
        mean = self.config.aggregation != "sum"
        nodes = space.pool(v, mean)
        if mean:
            edges = edges / space.edges().clamp(min=1)
        else:
            nodes, edges = nodes / self.sizes.nodes, edges / self.sizes.edges
        new: Tensor = self.whole(u, nodes, edges)
        return u + new if self.config.residual else new

    def edge_total(self, space: Space, hidden: Tensor) -> Tensor:
        """Sum of the next edge states [B, d] from that of the hidden layers."""
        return F.linear(hidden, self.edge_out.weight) + space.edges() * self.edge_out.bias

"""Layers that commute with a group, and layers on graphs: the adjacency is data."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple

TURNS = 4


class Lift(nn.Module):
    """C4 lifting: the same filters turned by quarters."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outer, inner, 3, 3) * 0.3)
        self.bias = nn.Parameter(torch.randn(outer))

    def forward(self, x: Tensor) -> Tensor:
        turned = torch.stack([torch.rot90(self.weight, k, (2, 3)) for k in range(TURNS)], dim=1)
        x = F.conv2d(x, turned.flatten(0, 1), padding=1)
        return x.unflatten(1, (-1, TURNS)) + self.bias[:, None, None, None]


class GroupConv(nn.Module):
    """C4 convolution: filters turned, and rolled along the axis of the group."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outer, inner, TURNS, 3, 3) * 0.3)

    def forward(self, x: Tensor) -> Tensor:
        turned = [
            torch.roll(torch.rot90(self.weight, k, (3, 4)), shifts=k, dims=2) for k in range(TURNS)
        ]
        weight = torch.stack(turned, dim=1).flatten(2, 3).flatten(0, 1)
        return F.conv2d(x.flatten(1, 2), weight, padding=1).unflatten(1, (-1, TURNS))


class C4Net(nn.Module):
    """Lifting, one group convolution if asked, a maximum over the group."""

    def __init__(self, *, deep: bool) -> None:
        super().__init__()
        self.lift, self.deep = Lift(2, 3), GroupConv(3, 5) if deep else nn.Identity()
        self.head = nn.Linear(5 if deep else 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.deep(torch.relu(self.lift(x))))
        return self.head(x.amax(2).mean((2, 3)))


class Mirror(nn.Module):
    """A kernel that is its own mirror image: half of it is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.stored, self.head = nn.Parameter(torch.randn(4, 2, 2) * 0.4), nn.Conv1d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.cat([self.stored, self.stored[..., :-1].flip(-1)], dim=-1)
        return self.head(torch.relu(F.conv1d(x, weight, padding=1)))


class ZeroSum(nn.Module):
    """Exchangeable weights by hand: one number on the diagonal, one beside it."""

    def __init__(self, inner: int = 4, outer: int = 5) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(outer, inner) * 0.4)
        self.other = nn.Parameter(torch.randn(outer, inner) * 0.4)
        self.stem, self.head = nn.Linear(2, inner), nn.Linear(outer, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        same = torch.eye(x.shape[1])
        weight = torch.einsum("st,oi->soti", same, self.own)
        weight = weight + torch.einsum("st,oi->soti", 1 - same, self.other)
        return self.head(torch.einsum("soti,bti->bso", weight, x).tanh().sum(1))


class VectorNeurons(nn.Module):
    """Rotation-equivariant layers: channels are mixed, the three coordinates are not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 4, bias=False), nn.Linear(4, 5, bias=False)
        self.direction, self.head = nn.Linear(4, 4, bias=False), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.transpose(1, 2)).transpose(1, 2)
        d = self.direction(x.transpose(1, 2)).transpose(1, 2)
        dot = (x * d).sum(-1, keepdim=True)
        x = torch.where(dot >= 0, x, x - dot / (d.pow(2).sum(-1, keepdim=True) + 1e-6) * d)
        return self.head(self.second(x.transpose(1, 2)).transpose(1, 2).norm(dim=-1))


class Gcn(nn.Module):
    """Two graph convolutions with symmetric normalisation, by `index_add`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5, bias=False), nn.Linear(5, 2, bias=False)
        self.bias = nn.Parameter(torch.randn(5))

    def spread(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        degree = torch.ones(x.shape[0]).index_add(0, target, torch.ones(target.shape[0]))
        norm = degree.pow(-0.5)
        message = x.index_select(0, source) * (norm[source] * norm[target])[:, None]
        return torch.zeros_like(x).index_add(0, target, message) + x / degree[:, None]

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        x = torch.relu(self.spread(self.first(x), edges) + self.bias)
        return self.spread(self.second(x), edges)


class Gin(nn.Module):
    """Graph isomorphism network by `scatter_add`, summed over the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.inner, self.outer, self.head = nn.Linear(3, 5), nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        index = edges[1][:, None].expand(-1, x.shape[1])
        total = torch.zeros_like(x).scatter_add(0, index, x[edges[0]])
        x = self.outer(torch.relu(self.inner((1 + self.eps) * x + total)))
        return self.head(torch.relu(x).sum(0))


class Gat(nn.Module):
    """Graph attention: two heads, a softmax over the neighbours of each node."""

    def __init__(self, heads: int = 2, width: int = 4) -> None:
        super().__init__()
        self.heads, self.project = heads, nn.Linear(3, heads * width, bias=False)
        self.source = nn.Parameter(torch.randn(1, heads, width))
        self.target = nn.Parameter(torch.randn(1, heads, width))
        self.head = nn.Linear(heads * width, 2)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        h = self.project(x).view(x.shape[0], self.heads, -1)
        score = (h * self.source).sum(-1)[source] + (h * self.target).sum(-1)[target]
        score = F.leaky_relu(score, 0.2).exp()
        total = torch.zeros(x.shape[0], self.heads).index_add(0, target, score)
        weight = score / (total[target] + 1e-9)
        out = torch.zeros_like(h).index_add(0, target, h[source] * weight[..., None])
        return self.head(F.elu(out.flatten(1)))


class DenseGcn(nn.Module):
    """A graph convolution with the adjacency as a fixed buffer."""

    def __init__(self, nodes: int = 4) -> None:
        super().__init__()
        ring = torch.eye(nodes).roll(1, 0) + torch.eye(nodes)
        ring[0, 2] = 1.0
        self.register_buffer("adjacency", ring / ring.sum(1, keepdim=True), persistent=False)
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.adjacency @ self.first(x))
        return self.second(torch.einsum("nm,bmf->bnf", self.adjacency, x)).mean(1)


class Egnn(nn.Module):
    """An E(n)-equivariant layer on all pairs: messages from distances, coordinates moved."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem, self.edge = nn.Linear(3, width), nn.Linear(2 * width + 1, 5)
        self.weight, self.node = nn.Linear(5, 1, bias=False), nn.Linear(width + 5, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        h, n = self.stem(x), x.shape[1]
        apart = place[:, :, None] - place[:, None, :]
        left, right = h[:, :, None].expand(-1, -1, n, -1), h[:, None].expand(-1, n, -1, -1)
        pair = torch.cat([left, right, apart.pow(2).sum(-1, keepdim=True)], -1)
        message = F.silu(self.edge(pair))
        place = place + (apart * self.weight(message)).mean(2)
        h = h + self.node(torch.cat([h, message.sum(2)], -1))
        return self.head(h), place


def _graph(make: Callable[[], nn.Module]) -> Callable[[int, int], Sample]:
    """Random edges: whatever they are, the structure is the same."""

    def build(batch: int, size: int) -> Sample:
        model = make()
        return model, (torch.randn(size, 3), torch.randint(0, size, (2, 2 * size))), {}

    return build


def _points(batch: int, size: int) -> Sample:
    return Egnn(), (torch.randn(batch, size, 3), torch.randn(batch, size, 2)), {}


_IMAGE = (2, "s", "s")

# Turning a filter is a turn along the group, which the maximum does not see: of nine places in a
# kernel there are three kinds, the centre, the edges and the corners.
CASES: tuple[Case, ...] = (
    Case("c4-lifting", simple(lambda: C4Net(deep=False), *_IMAGE), size=4, resized=5,
         classes={"lift.weight": 6, "lift.bias": 1, "head.weight": 2}),
    Case("c4-group-conv", simple(lambda: C4Net(deep=True), *_IMAGE), size=4, resized=5,
         classes={"lift.weight": 6, "lift.bias": 1, "deep.weight": 3, "head.weight": 2}),
    Case("mirror-kernel", simple(Mirror, 2, "s"), size=5, resized=6,
         classes={"stored": 4, "head.weight": 2}),
    Case("set-weights", simple(ZeroSum, "s", 2), size=3,
         classes={"stem.weight": 2, "own": 1, "other": 1, "head.weight": 2}),
    Case("vector-neurons", simple(VectorNeurons, 2, 3), classes={
        "first.weight": 2, "direction.weight": 1, "second.weight": 1, "head.weight": 2}),
    Case("gcn", _graph(Gcn), size=4, resized=5, batched=False,
         classes={"first.weight": 3, "bias": 1, "second.weight": 2}),
    Case("gin", _graph(Gin), size=4, resized=5, batched=False,
         classes={"eps": 1, "inner.weight": 3, "outer.weight": 1, "head.weight": 2}),
    Case("gat", _graph(Gat), size=4, resized=5, batched=False,
         classes={"project.weight": 3, "source": 1, "target": 1, "head.weight": 2}),
    Case("gcn-dense", simple(DenseGcn, 4, 3), classes={"first.weight": 3, "second.weight": 2}),
    Case("egnn", _points, size=3, resized=4, classes={
        "stem.weight": 3, "edge.weight": 3, "weight.weight": 1, "node.weight": 2}),
)  # fmt: skip

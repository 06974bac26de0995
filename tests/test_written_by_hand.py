"""Networks as people write them by hand: what is proved, and the order of the group that is found.

Each is a few lines of one mechanism; the order was worked out on paper. `test_known_groups` has the
architectures of the literature.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gmn_fx
from gmn_fx.symmetry import verify
from tests.test_known_groups import group_order

f = factorial
P = nn.Parameter
R = torch.randn


class Written(nn.Module):
    """Layers by name, and a function of them and the inputs."""

    def __init__(self, run: Callable[..., Tensor], parts: dict[str, Any]) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, P(part) if isinstance(part, Tensor) else part)

    def forward(self, *x: Tensor) -> Tensor:
        return self.run(self, *x)


def net(run: Callable[..., Tensor], **parts: Any) -> Callable[[], nn.Module]:
    return lambda: Written(run, {name: make() for name, make in parts.items()})


def lin(i: int, o: int) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(i, o)


def par(*shape: int) -> Callable[[], Tensor]:
    return lambda: R(shape)


def cells(start: Callable[[Tensor], Tensor | None]) -> Callable[..., Tensor]:
    def run(s: Any, x: Tensor) -> Tensor:
        h = start(x)
        for t in range(x.shape[1]):
            h = s.cell(x[:, t], h)
        return s.out(h)

    return run


def by_heads(s: Any, x: Tensor) -> Tensor:
    w, h = s.inp(x).unflatten(-1, (2, 3)), x.new_zeros(len(x), 2, 3)
    for t in range(x.shape[1]):
        h = (w[:, t] + torch.einsum("bhi,hij->bhj", h, s.r)).tanh()
    return s.out(h.flatten(1))


def delta_rule(read: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(s: Any, x: Tensor) -> Tensor:
        k, v = (f(x).view(len(x), 2, 3) for f in (s.k, s.v))
        state = torch.zeros(len(x), 2, 3, 3)
        state = state + k[..., None] * (v - read(state, k))[..., None, :]
        return s.out((state.tanh() * k[..., None]).sum(-2).flatten(1))

    return run


def capacity_dispatch(s: Any, x: Tensor) -> Tensor:
    h = s.stem(x)
    mask = F.one_hot(s.route(h).argmax(-1), 3).to(x.dtype)
    place = (mask.cumsum(0) * mask).sum(-1).long() - 1
    send = mask[:, :, None] * F.one_hot(place, len(x))[:, None].to(x.dtype)
    y = torch.bmm(torch.einsum("tec,td->ecd", send, h), s.w1) + s.b1
    return torch.einsum("ecd,tec->td", torch.bmm(y.relu(), s.w2), send)


def gathered(s: Any, x: Tensor) -> Tensor:
    e = s.route(x).argmax(-1)
    y = torch.bmm(s.w1[e], x[:, :, None]) + s.b1[e][:, :, None]
    return torch.bmm(s.w2[e], y.relu()).squeeze(-1)


def masked_write(s: Any, x: Tensor) -> Tensor:
    w, e = s.route(x).softmax(-1).max(-1)
    y = torch.zeros(len(x), 5).to(x)
    for k in range(3):
        mask = e == k
        y[mask] = s.experts[k](x[mask])
    return s.out(y * w[:, None])


def _experts() -> nn.Module:
    return nn.ModuleList(
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5)) for _ in range(3)
    )


def group_scores(s: Any, x: Tensor) -> Tensor:
    v = s.route(x).sigmoid().view(-1, 2, 2)
    y = torch.einsum("eoi,bi->beo", s.w, x)
    g = v.topk(2, -1).values.sum(-1).softmax(-1)
    return (y * (v * g[..., None]).flatten(1)[..., None]).sum(1)


EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 2, 3, 4, 0, 2, 0]])


def along_edges(s: Any, x: Tensor) -> Tensor:
    h = F.relu(s.mix @ s.inp(x))
    return s.out(torch.zeros(5, 4).to(x).index_add_(0, EDGES[1], h[EDGES[0]]).tanh())


def picked(s: Any, x: Tensor, at: Tensor) -> Tensor:
    return s.out((s.mix @ s.inp(x)).tanh().index_select(1, at))


BLUR = torch.tensor([1.0, 2.0, 3.0]).expand(4, 1, 3)
MIXED = {"mix": par(6, 6), "inp": lin(3, 4), "out": lin(4, 2)}
CELL = {"out": lin(4, 2)}
HEADS = {"k": lin(3, 6), "v": lin(3, 6), "out": lin(6, 2)}
TWO = {"mix": par(5, 5), "inp": lin(3, 4), "a": lin(4, 3), "b": lin(4, 3), "out": lin(3, 2)}
POOL = {"inp": lin(3, 6), "out": lin(3, 2)}


# name -> model, inputs, order of its group
WRITTEN: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...], int]] = {
    # recurrent cells from a state of zeros, however it is spelt
    "rnn from None": (
        net(cells(lambda x: None), cell=lambda: nn.RNNCell(3, 4), **CELL), (R(2, 3, 3),), f(4)),
    "gru from zeros": (
        net(cells(lambda x: torch.zeros(len(x), 4)), cell=lambda: nn.GRUCell(3, 4), **CELL),
        (R(2, 3, 3),), f(4)),
    "rnn by heads": (
        net(by_heads, inp=lin(3, 6), r=par(2, 3, 3), out=lin(6, 2)), (R(2, 3, 3),), 2 * 36),
    "delta rule, products": (
        net(delta_rule(lambda m, k: (m * k[..., None]).sum(-2)), **HEADS), (R(2, 3),), 2 * 36**2),
    "delta rule, einsum": (
        net(delta_rule(lambda m, k: torch.einsum("bhkv,bhk->bhv", m, k)), **HEADS),
        (R(2, 3),), 2 * 36**2),
    # experts
    "capacity dispatch": (
        net(capacity_dispatch, stem=lin(3, 5), route=lin(5, 3), w1=par(3, 5, 4), b1=par(3, 1, 4),
            w2=par(3, 4, 2)), (R(6, 3),), f(5) * f(3) * f(4) ** 3),
    "gathered biases": (
        net(gathered, route=lin(3, 4), w1=par(4, 4, 3), b1=par(4, 4), w2=par(4, 2, 4)),
        (R(7, 3),), f(4) * f(4) ** 4),
    "masked writes": (
        net(masked_write, route=lin(3, 3), experts=lambda: _experts(), out=lin(5, 2)),
        (R(24, 3),), f(3) * f(4) ** 3 * f(5)),
    "scores of groups": (net(group_scores, route=lin(3, 4), w=par(4, 2, 3)), (R(7, 3),), 8),
    # positions that are neurons, and read elsewhere
    "sum with a roll": (
        net(lambda s, x: s.out((s.a(s.mix @ s.inp(x)) + s.b(s.mix @ s.inp(x)).roll(1, 1)).tanh()),
            **TWO), (R(2, 5, 3),), f(4) * f(3)),
    "sums along edges": (net(along_edges, mix=par(5, 5), inp=lin(3, 4), out=lin(4, 2)),
                         (R(5, 3),), f(4)),
    "rows picked by data": (net(picked, mix=par(5, 5), inp=lin(3, 4), out=lin(4, 2)),
                            (R(2, 5, 3), torch.tensor([3, 1])), f(4)),
    "constant image, dynamic kernel": (
        net(lambda s, z: s.out(F.conv1d(s.image, s.make(z).view(5, 2, 3), padding=1).relu().mT),
            image=par(1, 2, 4), make=lin(3, 30), out=lin(5, 2)), (R(1, 3),), f(2) * f(5)),
    "mixed tokens, dynamic kernel": (
        net(lambda s, x: s.out(F.conv1d((s.mix @ s.inp(x)).mT, s.make(x[:1, 0]).view(4, 4, 3),
                                        padding=1).relu().mT), make=lin(3, 48), **MIXED),
        (R(1, 6, 3),), f(4) ** 2),
    "mixed tokens, fixed kernel": (
        net(lambda s, x: s.out(F.conv1d((s.mix @ s.inp(x)).mT, BLUR, groups=4, padding=1)
                               .relu().mT), **MIXED), (R(2, 6, 3),), f(4)),
    # pools over units, and operations that were refused
    "maxout by pooling": (
        net(lambda s, x: s.out(F.max_pool1d(s.inp(x), 2)), **POOL), (R(2, 3),), f(3) * 2**3),
    "overlapping windows": (
        net(lambda s, x: s.out(F.max_pool1d(s.inp(x), 2, stride=2, padding=1)[:, :3]), **POOL),
        (R(2, 3),), 1),
    "cosine similarities": (
        net(lambda s, x: s.out(F.cosine_similarity(s.keys[None], s.inp(x)[:, None], dim=-1)),
            keys=par(4, 5), inp=lin(3, 5), out=lin(4, 2)), (R(2, 3),), f(4) * f(5)),
    "one matrix solves a batch": (
        net(lambda s, x: s.out(torch.linalg.solve(s.mix, s.inp(x)[..., None])).sum(1),
            mix=lambda: R(4, 4) + 4 * torch.eye(4), inp=lin(3, 4), out=lin(1, 2)),
        (R(2, 3),), f(4) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_the_graph_is_proved_and_complete(name: str) -> None:
    make, inputs, order = WRITTEN[name]
    torch.manual_seed(0)
    model = make().eval()
    graph = gmn_fx.extract(model, inputs)
    report = verify(model, graph, inputs, controls=False)
    assert report.ok, report.problems
    assert group_order(graph) == order


def test_boundaries_are_constants() -> None:
    bounds = torch.tensor([-0.5, 0.0, 0.5])
    model = net(lambda s, x: s.out(s.table(torch.bucketize(s.inp(x), bounds)).mean(1)),
                inp=lin(3, 4), table=lambda: nn.Embedding(4, 5), out=lin(5, 2))()  # fmt: skip
    x = R(2, 3)
    graph = gmn_fx.extract(model, (x,))
    assert verify(model, graph, (x,), controls=False).ok


def test_an_expert_without_rows() -> None:
    def run(s: Any, x: Tensor) -> Tensor:
        e = s.route(x).argmax(-1)
        order = e.argsort()
        parts = x[order].split(torch.bincount(e, minlength=3).tolist())
        return torch.cat([m(p) for m, p in zip(s.experts, parts, strict=True)])[order.argsort()]

    torch.manual_seed(0)
    model, x = net(run, route=lin(3, 3), experts=_experts)(), R(2, 3)
    graph = gmn_fx.extract(model, (x,))
    assert verify(model, graph, (x,), controls=False).ok

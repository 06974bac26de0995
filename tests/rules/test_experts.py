"""Weights chosen by an index that names neurons, and rows sorted by it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.rules.helpers import on, orbits, proved, rand, sizes


class Routed(nn.Module):
    """A router over three experts, whose matrices are stacked."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(4, 3, bias=False)
        self.up = nn.Parameter(torch.randn(3, 4, 5))
        self.down = nn.Parameter(torch.randn(3, 5, 4))

    def chosen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        top, index = self.router(x).softmax(-1).topk(1, -1)
        return top[:, 0], index[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        top, index = self.chosen(x)
        hidden = torch.einsum("nd,ndh->nh", x, self.up[index]).relu()
        return torch.einsum("nh,nhd->nd", hidden, self.down[index]) * top[:, None]


def test_every_expert_has_units_of_its_own() -> None:
    model, x = Routed(), rand(6, 4)
    graph, report = proved(model, x)
    assert len(on(graph, "up")) == len(on(graph, "down")) == 3
    assert sizes(graph)["neuron/einsum"] == [5, 5, 5, 4, 4, 4]
    assert orbits(report, "neuron", "linear") == [((3, 1),)]
    assert orbits(report, "neuron", "einsum")[:3] == [((5, 1),)] * 3
    # Which expert a row meets: one product of "is it chosen?" and of what the expert says.
    assert sizes(graph)["neuron/select"] == [12]
    assert sizes(graph)["sum/select"] == [4]


class OneMatrixTwice(Routed):
    """The same choice for a bias: rows of a table, beside the matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        top, index = self.chosen(x)
        hidden = torch.einsum("nd,ndh->nh", x, self.up[index]) + self.bias[index]
        return torch.einsum("nh,nhd->nd", hidden.tanh(), self.down[index]) * top[:, None]


def test_a_bias_of_experts_stays_with_their_units() -> None:
    model, x = OneMatrixTwice(), rand(6, 4)
    graph, report = proved(model, x)
    assert [b.shape[-1] for b in on(graph, "bias")] == [5, 5, 5]
    assert orbits(report, "neuron", "einsum")[:3] == [((5, 1),)] * 3


class TwoChoices(Routed):
    """Two routers: what one selects is a single value for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        _, first = self.chosen(x)
        second = self.other(x).argmax(-1)
        hidden = torch.einsum("nd,ndh->nh", x, self.up[first]).relu()
        return torch.einsum("nh,nhd->nd", hidden, self.down[second])


def test_selections_by_two_routers_are_united_in_between() -> None:
    graph, report = proved(TwoChoices(), rand(6, 4))
    assert sizes(graph)["sum/select"] == [5, 4]
    assert orbits(report, "neuron", "linear") == [((3, 1),)] * 2


class Sorted(Routed):
    """Rows in the order of their experts."""

    def sort(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, index = self.chosen(x)
        experts, order = torch.sort(index)
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        return experts, order, back

    def forward(self, x: Tensor) -> Tensor:
        _, order, back = self.sort(x)
        return (self.middle(x[order]) * self.chosen(x)[0][order][:, None])[back]

    def middle(self, x: Tensor) -> Tensor:
        return x.tanh() * 2 + x


class ByPlace(Sorted):
    """What stands first is multiplied by the first number: now the order matters."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(6, 1))

    def middle(self, x: Tensor) -> Tensor:
        return x * self.place


class ByConstantPlace(Sorted):
    def middle(self, x: Tensor) -> Tensor:
        return x * torch.arange(1.0, 7.0)[:, None]


class FirstHalf(Sorted):
    """Only the rows of the first experts come back."""

    def forward(self, x: Tensor) -> Tensor:
        return x[self.sort(x)[1]][:3].tanh()


class Beside(Sorted):
    """Sorted rows added to rows that are not sorted."""

    def forward(self, x: Tensor) -> Tensor:
        return x[self.sort(x)[1]] + x


class Names(Sorted):
    """The numbers of the experts are an output."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x), self.sort(x)[0]


def test_rows_that_are_put_back_leave_the_experts_free() -> None:
    _, report = proved(Sorted(), rand(6, 4))
    assert orbits(report, "neuron", "linear") == [((3, 1),)]


def test_whatever_sees_the_order_of_experts_pins_them() -> None:
    for model in (ByPlace(), ByConstantPlace(), FirstHalf(), Beside(), Names()):
        _, report = proved(model, rand(6, 4))
        assert orbits(report, "neuron", "linear") == [((1, 3),)], type(model).__name__

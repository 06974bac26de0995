"""Recurrent networks: whole layers, cells in a loop, gates by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.zoo.case import Case, Sample, simple


class Tagger(nn.Module):
    """Recurrent layers with a linear layer on every output."""

    def __init__(self, kind: type[nn.RNNBase], *, hidden: int = 5, **options: object) -> None:
        super().__init__()
        self.layers = kind(3, hidden, **options)  # type: ignore[arg-type]
        width = int(options.get("proj_size", 0)) or hidden  # type: ignore[call-overload]
        self.head = nn.Linear(width * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x)[0])


class Stateful(nn.Module):
    """An LSTM between linear layers that returns its last hidden and cell state."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layers, self.head = nn.Linear(3, 4), nn.LSTM(4, 5, 2), nn.Linear(5, 2)
        self.start = nn.Parameter(torch.randn(2, 1, 5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        start = self.start.expand(-1, x.shape[1], -1).contiguous()
        _, (hidden, cell) = self.layers(torch.tanh(self.stem(x)), (start, torch.zeros_like(start)))
        return self.head(hidden[-1]), self.head(cell[-1])


class Loop(nn.Module):
    """A cell unrolled by a Python loop."""

    def __init__(self, cell: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.cell, self.head = cell(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], 5)
        pair = (state, state)
        for step in x.unbind(1):
            if isinstance(self.cell, nn.LSTMCell):
                pair = self.cell(step, pair)
                state = pair[0]
            else:
                state = self.cell(step, state)
        return self.head(state)


class Scan(nn.Module):
    """A diagonal state space model: h_t = a * h_{t-1} + b x_t, y_t = c h_t."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.rand(4, 3))
        self.write, self.read = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4, 3))
        self.stem, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        state = x.new_zeros(x.shape[0], 4, 3)
        outs = []
        for step in x.unbind(1):
            state = torch.sigmoid(self.decay) * state + self.write * step[..., None]
            outs.append((state * self.read).sum(-1))
        return self.head(torch.stack(outs, 1))


def _stateful(batch: int, size: int) -> Sample:
    return Stateful(), (torch.randn(size, batch, 3),), {}


def _case(name: str, kind: type[nn.RNNBase], gates: int, **options: object) -> Case:
    shape = ("s", 3)
    suffix = "_reverse" if options.get("bidirectional") else ""
    classes = {f"layers.weight_ih_l0{suffix}": 3 * gates}
    if not options.get("proj_size") and options.get("bias", True):
        classes |= {"layers.bias_ih_l0": gates}
    build = simple(lambda: Tagger(kind, **{"batch_first": True, **options}), *shape)
    return Case(name, build, size=4, resized=5, classes=classes)


CASES: tuple[Case, ...] = (
    _case("lstm", nn.LSTM, 4),
    _case("lstm-two-layers", nn.LSTM, 4, num_layers=2),
    _case("lstm-bidirectional", nn.LSTM, 4, num_layers=2, bidirectional=True),
    _case("lstm-projected", nn.LSTM, 4, proj_size=3),
    _case("lstm-no-bias", nn.LSTM, 4, bias=False),
    _case("gru", nn.GRU, 3),
    _case("gru-bidirectional", nn.GRU, 3, bidirectional=True),
    _case("rnn-tanh", nn.RNN, 1),
    _case("rnn-relu-two-layers", nn.RNN, 1, num_layers=2, nonlinearity="relu", dropout=0.1),
    Case("lstm-time-first-state", _stateful, size=4, resized=5, classes={"stem.weight": 3}),
    Case("lstm-cell-loop", simple(lambda: Loop(nn.LSTMCell), "s", 3), size=3),
    Case("gru-cell-loop", simple(lambda: Loop(nn.GRUCell), "s", 3), size=3),
    Case("rnn-cell-loop", simple(lambda: Loop(nn.RNNCell), "s", 3), size=3),
    Case("state-space-scan", simple(Scan, "s", 3), size=4,
         classes={"decay": 1, "write": 1, "read": 1}),
)  # fmt: skip

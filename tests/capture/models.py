"""Small models that are hard to capture, each for one reason."""

from __future__ import annotations

import torch
from torch import nn


class ConvNet(nn.Module):
    """Flatten into a linear layer, an in-place activation, a dictionary of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.l = nn.Linear(4 * 36, 5)

    def forward(self, x):
        x = self.a(x).relu_()
        return {"y": self.l(x.flatten(1)), "z": [x]}


class Branch(nn.Module):
    """A Python branch on data."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        h = self.a(x)
        if h.sum() > -1e9:
            return h.relu()
        return self.b(h)


class Cond(Branch):
    """torch.cond."""

    def forward(self, x):
        return torch.cond(x.sum() > -1e9, lambda x: self.a(x), lambda x: self.b(x), (x,))


class Packed(nn.Module):
    """A packed sequence."""

    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM) -> None:
        super().__init__()
        self.r, self.o = kind(4, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        y, _ = self.r(packed)
        return self.o(nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0])


class Masked(nn.Module):
    """Boolean indexing, read and written."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        h = self.a(x)
        out = torch.zeros_like(h)
        mask = h.sum(-1) > 0
        out[mask] = self.b(h[mask])
        return out


class Experts(nn.Module):
    """A Python loop over experts with data-dependent sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        weight, chosen = self.gate(x).softmax(-1).topk(2, -1)
        out = torch.zeros_like(x)
        for k, expert in enumerate(self.experts):
            row, column = torch.where(chosen == k)
            if row.numel():
                out.index_add_(0, row, expert(x[row]) * weight[row, column, None])
        return out


class WriteThroughView(nn.Module):
    """Writes into slices of a fresh tensor: raw export loses the parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.p = nn.Linear(4, 4), nn.Parameter(torch.randn(4))

    def forward(self, x):
        y = torch.zeros(x.shape[0], 2, 4)
        y[:, 0] = self.a(x)
        y[:, 1] = self.p
        return y


class EvalCache(nn.Module):
    """Caches a tensor computed from a parameter in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.cache = nn.Parameter(torch.randn(4, 4)), {}

    def forward(self, x):
        if self.training:
            return x @ self.w.exp()
        if "w" not in self.cache:
            self.cache["w"] = self.w.exp()
        return x @ self.cache["w"]


class HiddenCache(nn.Module):
    """Caches a tensor under a name that does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.kept = nn.Parameter(torch.randn(4, 4)), None

    def forward(self, x):
        if self.kept is None:
            self.kept = self.w.exp()
        return x @ self.kept


class Lossy(nn.Module):
    """Ignores a parameter while it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.lossy = nn.Linear(4, 4), nn.Parameter(torch.ones(4)), False

    def forward(self, x):
        return self.a(x) if self.lossy else self.a(x) * self.b


class Attribute(nn.Module):
    """Leaves attributes behind."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(4, 4)

    def forward(self, x):
        self.last, self.count = self.l(x), getattr(self, "count", 0) + 1
        return self.last.relu()


class ThroughNumpy(nn.Module):
    """Leaves torch for a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(4, 4)

    def forward(self, x):
        return self.l(x) * float(x.detach().numpy().shape[1])


class GradInside(nn.Module):
    """Differentiates inside forward (a physics-informed net)."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.l(x).sum(), x, create_graph=True)[0]


class Unused(nn.Module):
    """Parameters that the output does not depend on, one of them frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.l, self.u = nn.Linear(4, 4), nn.Linear(4, 4)
        self.f = nn.Parameter(torch.randn(3), requires_grad=False)

    def forward(self, x):
        return self.l(x)


class Complex(nn.Module):
    """A complex parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 4, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.w).abs()


class Spelled(nn.Module):
    """A non-persistent buffer, a literal tensor and a nested keyword input."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(4, 4)
        self.register_buffer("freqs", torch.arange(4.0), persistent=False)

    def forward(self, x, *, extra):
        return self.l(x) * self.freqs + torch.tensor([1.0, 2.0, 3.0, 4.0]) + extra["a"][0]


class RepeatedByData(nn.Module):
    """Rows repeated as often as data says, then a window that data places."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(4, 4)

    def forward(self, x):
        counts = (x[:, 0] > 0).long() + 1
        rows = torch.repeat_interleave(self.l(x), counts, dim=0)
        start = counts.sum() - counts.sum()
        return rows.sum(0) + torch.narrow(x, 0, start, 1)[0]


class OneLayerTwoNames(nn.Module):
    """The same module under two attributes, beside something that only a real run can decide."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first

    def forward(self, x):
        x = self.first(x)
        return self.second(x.relu()) if x.sum() > -1e9 else x

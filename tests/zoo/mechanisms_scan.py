"""State-space models, scans and recurrent networks beyond the plain layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.zoo.case import Case, Sample, simple


class Mamba(nn.Module):
    """A selective state space block; the scan is a loop, or a cumulative sum of logarithms."""

    def __init__(self, *, loop: bool, width: int = 4, state: int = 3, rank: int = 2) -> None:
        super().__init__()
        self.loop, self.sizes = loop, (rank, state, state)
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.in_proj = nn.Linear(width, 2 * 5, bias=False)
        self.conv = nn.Conv1d(5, 5, 3, groups=5, padding=2)
        self.x_proj = nn.Linear(5, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, 5)
        self.a_log = nn.Parameter(torch.log(torch.arange(1, state + 1.0)).repeat(5, 1))
        self.skip = nn.Parameter(torch.ones(5))
        self.out_proj = nn.Linear(5, width, bias=False)

    def scan(self, decay: Tensor, write: Tensor) -> Tensor:
        """State after each step; all [batch, time, channels, state]."""
        if not self.loop:
            total = decay.cumsum(1)
            return (write * (-total).exp()).cumsum(1) * total.exp()
        state, states = torch.zeros_like(write[:, 0]), []
        for t in range(write.shape[1]):
            state = decay[:, t].exp() * state + write[:, t]
            states.append(state)
        return torch.stack(states, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inner, gate = self.in_proj(x).chunk(2, dim=-1)
        inner = self.conv(inner.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
        inner = F.silu(inner)
        rate, b, c = self.x_proj(inner).split(self.sizes, dim=-1)
        rate = F.softplus(self.dt_proj(rate))
        decay = rate[..., None] * -torch.exp(self.a_log)
        write = rate[..., None] * b[:, :, None, :] * inner[..., None]
        out = torch.einsum("bldn,bln->bld", self.scan(decay, write), c)
        out = (out + self.skip * inner) * F.silu(gate)
        return self.head(x + self.out_proj(out))


class Rwkv(nn.Module):
    """RWKV-4 time mixing: token shift, and wkv with decay and bonus in a loop."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.shift = nn.ZeroPad2d((0, 0, 1, -1))
        self.decay, self.bonus = nn.Parameter(torch.rand(width)), nn.Parameter(torch.rand(width))
        self.mix_k, self.mix_v, self.mix_r = (
            nn.Parameter(torch.rand(1, 1, width)) for _ in range(3)
        )
        self.key, self.value, self.gate = (nn.Linear(width, 4, bias=False) for _ in range(3))
        self.decay, self.bonus = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(4))
        self.output = nn.Linear(4, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        last = self.shift(x)
        k = self.key(x * self.mix_k + last * (1 - self.mix_k))
        v = self.value(x * self.mix_v + last * (1 - self.mix_v))
        r = torch.sigmoid(self.gate(x * self.mix_r + last * (1 - self.mix_r)))
        top, bottom, outs = torch.zeros_like(k[:, 0]), torch.zeros_like(k[:, 0]), []
        for t in range(x.shape[1]):
            now, past = torch.exp(self.bonus + k[:, t]), torch.exp(-torch.exp(self.decay))
            outs.append((top + now * v[:, t]) / (bottom + now + 1e-6))
            top = past * top + torch.exp(k[:, t]) * v[:, t]
            bottom = past * bottom + torch.exp(k[:, t])
        return self.head(x + self.output(r * torch.stack(outs, 1)))


class S4d(nn.Module):
    """S4D: a diagonal complex state space as a long convolution by FFT."""

    def __init__(self, width: int = 4, state: int = 3) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.log_dt = nn.Parameter(torch.rand(width) - 2)
        self.c = nn.Parameter(torch.view_as_real(torch.randn(width, state, dtype=torch.cfloat)))
        self.log_a_real = nn.Parameter(torch.log(0.5 * torch.ones(width, state)))
        self.a_imag = nn.Parameter(torch.arange(state).repeat(width, 1) * 3.1)
        self.skip = nn.Parameter(torch.randn(width))
        self.out = nn.Conv1d(width, 2 * width, 1)

    def kernel(self, length: int) -> Tensor:
        dt, c = torch.exp(self.log_dt), torch.view_as_complex(self.c)
        a = -torch.exp(self.log_a_real) + 1j * self.a_imag
        rate = a * dt.unsqueeze(-1)
        time = torch.arange(length, device=a.device)
        power = torch.exp(rate.unsqueeze(-1) * time)
        c = c * (torch.exp(rate) - 1.0) / a
        return 2 * torch.einsum("hn,hnl->hl", c, power).real

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).transpose(1, 2)
        length = x.shape[-1]
        kernel = torch.fft.rfft(self.kernel(length), n=2 * length)
        y = torch.fft.irfft(torch.fft.rfft(x, n=2 * length) * kernel, n=2 * length)[..., :length]
        y = F.gelu(y + x * self.skip.unsqueeze(-1))
        return self.head(F.glu(self.out(y), dim=1).transpose(1, 2))


class Lru(nn.Module):
    """A linear recurrent unit: complex diagonal recurrence, complex input and output maps."""

    def __init__(self, width: int = 4, state: int = 3) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.nu, self.theta = nn.Parameter(torch.rand(state)), nn.Parameter(torch.rand(state))
        self.b = nn.Parameter(torch.randn(state, width, dtype=torch.cfloat) * 0.4)
        self.c = nn.Parameter(torch.randn(width, state, dtype=torch.cfloat) * 0.4)
        self.d = nn.Parameter(torch.randn(width))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        decay = torch.exp(torch.complex(-torch.exp(self.nu), torch.exp(self.theta)))
        write = x.to(torch.cfloat) @ self.b.T
        state, outs = torch.zeros_like(write[:, 0]), []
        for t in range(x.shape[1]):
            state = decay * state + write[:, t]
            outs.append((state @ self.c.T).real)
        return self.head(torch.stack(outs, 1) + self.d * x)


class RetNet(nn.Module):
    """Retention in its recurrent form: a matrix state for each head, with a decay of its own."""

    def __init__(self, width: int = 6, count: int = 2) -> None:
        super().__init__()
        self.stem, self.head, self.count = nn.Linear(3, width), nn.Linear(width, 2), count
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.decay = nn.Parameter(torch.randn(count))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = (part(x).unflatten(-1, (self.count, -1)) for part in (self.q, self.k, self.v))
        keep = torch.sigmoid(self.decay)[:, None, None]
        state, outs = x.new_zeros(x.shape[0], self.count, q.shape[-1], v.shape[-1]), []
        for t in range(x.shape[1]):
            state = keep * state + k[:, t, :, :, None] * v[:, t, :, None, :]
            outs.append(torch.einsum("bhi,bhij->bhj", q[:, t], state))
        return self.head(torch.stack(outs, 1).flatten(2))


class Packed(nn.Module):
    """A recurrent layer on packed sequences of given lengths."""

    def __init__(self, kind: type[nn.RNNBase], **options: object) -> None:
        super().__init__()
        self.layers = kind(3, 5, batch_first=True, **options)  # type: ignore[arg-type]
        self.head = nn.Linear(10 if options.get("bidirectional") else 5, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(self.layers(packed)[0], batch_first=True)
        return self.head(out)


class Translator(nn.Module):
    """An encoder hands its last state to a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(3, 5), nn.LSTM(4, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.head(self.decoder(y, self.encoder(x)[1])[0])


class HandLstm(nn.Module):
    """An LSTM cell by hand, one matrix for the four gates of input and state."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.head = nn.Linear(3 + 5, 4 * 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], 5)
        for t in range(x.shape[1]):
            i, f, g, o = self.gates(torch.cat([x[:, t], h], dim=1)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.head(h)


class ConvLstm(nn.Module):
    """A convolutional LSTM over frames."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.head = nn.Conv2d(2 + 3, 4 * 3, 3, padding=1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], 3, *x.shape[-2:])
        for frame in x.unbind(1):
            i, f, o, g = self.gates(torch.cat([frame, h], 1)).split(3, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.head(h)


class Bidirectional(nn.Module):
    """Layers with two directions; the last states of both ends are read."""

    def __init__(self, kind: type[nn.RNNBase], **options: object) -> None:
        super().__init__()
        self.layers = kind(3, 5, 2, batch_first=True, bidirectional=True, **options)  # type: ignore[arg-type]
        self.head = nn.Linear(2 * int(options.get("proj_size", 5)), 2)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        state = self.layers(x)[1]
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(torch.cat([hidden[-2], hidden[-1]], -1))


def _packed(kind: type[nn.RNNBase], **options: object) -> Callable[[int, int], Sample]:
    def build(batch: int, size: int) -> Sample:
        lengths = torch.tensor([size - 2, size, size - 1][:batch])
        return Packed(kind, **options), (torch.randn(batch, size, 3), lengths), {}

    return build


def _translator(batch: int, size: int) -> Sample:
    return Translator(), (torch.randn(size, batch, 3), torch.randn(size + 1, batch, 4)), {}


_TIME = ("s", 3)
_MAMBA = {
    "stem.weight": 3, "in_proj.weight": 2, "conv.weight": 3, "x_proj.weight": 3,
    "dt_proj.weight": 1, "a_log": 1, "skip": 1, "out_proj.weight": 1,
}  # fmt: skip

CASES: tuple[Case, ...] = (
    Case("mamba-loop", simple(lambda: Mamba(loop=True), *_TIME), size=3, classes=_MAMBA),
    Case("mamba-cumsum", simple(lambda: Mamba(loop=False), *_TIME), size=4, resized=5,
         classes=_MAMBA),
    Case("rwkv", simple(Rwkv, *_TIME), size=3, classes={
        "stem.weight": 3, "decay": 1, "bonus": 1, "mix_k": 1, "mix_r": 1, "key.weight": 1,
        "output.weight": 1}),
    Case("s4d", simple(S4d, *_TIME), size=4, classes={
        "stem.weight": 3, "log_dt": 1, "c": 2, "log_a_real": 1, "a_imag": 1, "skip": 1,
        "out.weight": 2}),
    Case("lru", simple(Lru, *_TIME), size=3,
         classes={"stem.weight": 3, "nu": 1, "theta": 1, "b": 1, "c": 1, "d": 1}),
    Case("retention", simple(RetNet, *_TIME), size=3,
         classes={"stem.weight": 3, "q.weight": 1, "k.weight": 1, "v.weight": 1, "decay": 1}),
    Case("lstm-packed", _packed(nn.LSTM), size=4, classes={
        "layers.weight_ih_l0": 12, "layers.weight_hh_l0": 4, "head.weight": 2}),
    Case("gru-packed-bidirectional", _packed(nn.GRU, bidirectional=True), size=4, classes={
        "layers.weight_ih_l0": 9, "layers.weight_hh_l0_reverse": 3, "head.weight": 4}),
    Case("lstm-bidirectional-projected", simple(lambda: Bidirectional(
        nn.LSTM, proj_size=4), *_TIME), size=4, resized=5, classes={
        "layers.weight_ih_l0": 12, "layers.weight_hr_l1": 1, "layers.weight_ih_l1": 8}),
    Case("gru-two-layers-last", simple(lambda: Bidirectional(nn.GRU), *_TIME), size=4, resized=5,
         classes={"layers.weight_ih_l0_reverse": 9, "layers.weight_ih_l1": 6, "head.weight": 4}),
    Case("rnn-two-layers-last", simple(lambda: Bidirectional(nn.RNN), *_TIME), size=4, resized=5,
         classes={"layers.weight_ih_l1": 2, "head.weight": 4}),
    Case("lstm-encoder-decoder", _translator, size=3, classes={
        "encoder.weight_ih_l0": 12, "decoder.weight_ih_l0": 16, "decoder.weight_hh_l0": 4}),
    Case("lstm-by-hand", simple(HandLstm, *_TIME), size=3,
         classes={"gates.weight": 16, "gates.bias": 4, "head.weight": 2}),
    Case("conv-lstm", simple(ConvLstm, 3, 2, "s", "s"), size=4, resized=5,
         classes={"gates.weight": 4 * 9 * 3, "gates.bias": 4, "head.weight": 2}),
)  # fmt: skip

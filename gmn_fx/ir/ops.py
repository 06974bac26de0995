"""The few ops of gmn-fx itself: what rewrite passes turn composite ATen ops into.

Each is a plain function on tensors. It runs on real tensors (so a rewritten `Program` can be
executed and compared with the original) and on meta tensors (so every node has a shape).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, fx

from gmn_fx.errors import InternalError

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
_LEAVES: ContextVar[Mapping[str, Callable[..., Any]]] = ContextVar("gmn_fx_leaves")


def _along(param: Tensor, ndim: int, dims: Sequence[int]) -> Tensor:
    """View `param`, one axis for each of `dims`, so that it broadcasts against `ndim` axes."""
    dims = [d % ndim for d in dims]
    order = sorted(range(len(dims)), key=dims.__getitem__)
    shape = [1] * ndim
    for axis in order:
        shape[dims[axis]] = param.shape[axis]
    return param.permute(order).reshape(shape)


def bias(x: Tensor, b: Tensor, dim: int) -> Tensor:
    """`x + b`, with the one axis of `b` laid along axis `dim` of `x`."""
    return x + _along(b, x.dim(), (dim,))


def residual(a: Tensor, b: Tensor) -> Tensor:
    """`a + b`, where `a` is the skip connection: `b` was computed from it."""
    return a + b


def grouped_mm(x: Tensor, w: Tensor, ends: Tensor) -> Tensor:
    """Rows of `x` [S, I] in consecutive groups, group i through `w[i]` [I, O].

    ends: index of the first row after each group, [groups]. Rows after the last group are 0.
    """
    out = x.new_zeros((x.shape[0], w.shape[2]))
    if x.device.type == "meta":
        return out
    start = 0
    for matrix, end in zip(w, ends.tolist(), strict=True):
        out[start:end] = x[start:end] @ matrix
        start = end
    return out


def normalize(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    stat_dims: Sequence[int],
    param_dims: Sequence[int],
    eps: float,
    center: bool,
) -> Tensor:
    """Every normalisation layer.

    With `mean` and `var` (running statistics): `(x - mean) / sqrt(var + eps)`. Without: the
    statistics are taken over the axes `stat_dims` (biased variance); `center=False` divides by
    the root of the mean square and subtracts nothing. Then `* weight + bias`.

    `weight`, `bias`, `mean` and `var` have one axis for each entry of `param_dims`, aligned with
    those axes of `x`; each may be None.
    """
    if mean is not None and var is not None:
        scale = torch.rsqrt(_along(var, x.dim(), param_dims) + eps)
        out = (x - _along(mean, x.dim(), param_dims)) * scale
    else:
        dims = tuple(stat_dims)
        centred = x - x.mean(dims, keepdim=True) if center else x
        out = centred * torch.rsqrt((centred * centred).mean(dims, keepdim=True) + eps)
    if weight is not None:
        out = out * _along(weight, x.dim(), param_dims)
    if bias is not None:
        out = out + _along(bias, x.dim(), param_dims)
    return out


def attached_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    stat_dims: Sequence[int],
    param_dims: Sequence[int],
    eps: float,
    center: bool,
) -> Tensor:
    """`normalize`, but the normalised units are the units themselves: the parameters attach."""
    return normalize(x, weight, bias, mean, var, stat_dims, param_dims, eps, center)


def skip(a: Tensor, b: Tensor) -> Tensor:
    """`a + b`, where the units of the sum are those of `b`, which `a` is added to."""
    return a + b


def joined_sum(a: Tensor, b: Tensor) -> Tensor:
    """`a + b`, where the units of both and of the sum are the same."""
    return a + b


def joined_product(a: Tensor, b: Tensor) -> Tensor:
    """`a * b`, where the units of both and of the product are the same."""
    return a * b


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention `[..., T, D]`, `[..., S, D]`, `[..., S, E]` -> `[..., T, E]` without a scale.

    The units of queries, keys, values and of the result are the same.
    """
    return torch.softmax(q @ k.transpose(-1, -2), -1) @ v


def causal_mask(scores: Tensor) -> Tensor:
    """`scores` with everything above the diagonal of the last two axes set to -inf (top-left)."""
    rows, columns = scores.shape[-2:]
    future = torch.ones(rows, columns, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf"))


def recurrent(
    kind: str,
    x: Tensor,
    h0: Tensor,
    c0: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    w_hr: Tensor | None,
    reverse: bool,
    sizes: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer of a recurrent network in one direction.

    kind: "lstm", "gru", "rnn_tanh" or "rnn_relu", with the weight layout of `torch.nn`.
    x: `[T, B, I]`. h0, c0: `[B, H]`. w_hr: the projection of an LSTM. reverse: run from the end.
    sizes: of a packed x `[N, I]`, how many sequences reach each step; the results are packed too.

    Returns:
        `(out [T, B, H], last h, last c)`; the last is h again where there is no cell state.
    """
    if kind not in _GATES:
        raise InternalError(f"gmn_fx.ir.ops.recurrent: unknown kind {kind!r}")
    if x.device.type == "meta":
        out = x.new_empty((*x.shape[:-1], h0.shape[-1]))
        return out, torch.empty_like(h0), torch.empty_like(h0 if c0 is None else c0)
    if sizes is not None:
        weights = [w for w in (w_ih, w_hh, b_ih, b_hh, w_hr) if w is not None]
        return _packed_layer(kind, x, h0, c0, weights, b_ih is not None, reverse, sizes)
    h, c = h0, c0
    outs: list[Tensor] = []
    steps = range(x.shape[0] - 1, -1, -1) if reverse else range(x.shape[0])
    for t in steps:
        gates_x = torch.nn.functional.linear(x[t], w_ih, b_ih)
        gates_h = torch.nn.functional.linear(h, w_hh, b_hh)
        h, c = _cell(kind, gates_x, gates_h, h, c)
        h = h if w_hr is None else torch.nn.functional.linear(h, w_hr)
        outs.append(h)
    return torch.stack(outs[::-1] if reverse else outs), h, h if c is None else c


def _cell(
    kind: str, gates_x: Tensor, gates_h: Tensor, h: Tensor, c: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """One time step, from the input's and the state's share of the gates."""
    if kind == "gru":
        reset_x, update_x, new_x = gates_x.chunk(3, -1)
        reset_h, update_h, new_h = gates_h.chunk(3, -1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return new + update * (h - new), None
    if kind == "lstm":
        enter, forget, cell, leave = (gates_x + gates_h).chunk(4, -1)
        assert c is not None
        c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(cell)
        return torch.sigmoid(leave) * torch.tanh(c), c
    act = torch.tanh if kind == "rnn_tanh" else torch.relu
    return act(gates_x + gates_h), None


def _packed_layer(
    kind: str,
    x: Tensor,
    h0: Tensor,
    c0: Tensor | None,
    weights: list[Tensor],
    biased: bool,
    reverse: bool,
    sizes: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor]:
    """One packed layer in one direction, by the loops of torch itself."""
    states = [h0] if c0 is None else [h0, c0]
    if not reverse:
        done = packed_recurrent(
            kind, x, sizes, [s[None] for s in states], weights, biased, 1, 0.0, False, False
        )
        return done[0], done[1][0], done[2][0]
    # Torch has no backward direction alone: run both with the same weights and keep the second.
    both = [torch.stack([s, s]) for s in states]
    done = packed_recurrent(kind, x, sizes, both, weights * 2, biased, 1, 0.0, False, True)
    return done[0][:, h0.shape[-1] :], done[1][1], done[2][1]


def _places(sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Step and sequence of each row of a packed tensor."""
    steps = torch.cat([torch.full((n,), step) for step, n in enumerate(sizes)])
    return steps, torch.cat([torch.arange(n) for n in sizes])


def pack(x: Tensor, lengths: Tensor, sizes: Sequence[int], batch_first: bool) -> Tensor:
    """The steps of sequences of several lengths, longest first, one after the other.

    x: `[T, B, ...]`, or `[B, T, ...]` if `batch_first`. sizes: how many sequences reach each step,
    as `lengths` (which is read by nobody: it says where the sizes are from) came to when captured.

    Returns:
        `[N, ...]`, N the sum of the lengths.
    """
    x = x.transpose(0, 1) if batch_first else x
    if x.device.type == "meta":
        return x.new_empty((sum(sizes), *x.shape[2:]))
    return x[_places(sizes)]


def unpack(
    data: Tensor, sizes: Sequence[int], batch_first: bool, padding: float, length: int
) -> Tensor:
    """What `pack` packed, `padding` behind the end of each sequence, up to `length` steps."""
    shape = (length, sizes[0], *data.shape[1:])
    if data.device.type == "meta":
        out = data.new_empty(shape)
    else:
        out = data.new_full(shape, padding).index_put(_places(sizes), data)
    return out.transpose(0, 1).contiguous() if batch_first else out


def packed_recurrent(
    kind: str,
    data: Tensor,
    sizes: Sequence[int],
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """`aten.lstm.data` and its like, with the sizes of the batch as numbers.

    hx: `[h0]`, of an LSTM `[h0, c0]`. The last result is h again where there is no cell state.
    """
    if data.device.type == "meta":
        wide = data.new_empty((len(data), hx[0].shape[-1] * (2 if bidirectional else 1)))
        return wide, torch.empty_like(hx[0]), torch.empty_like(hx[-1])
    from torch._decomp import decompositions

    loop = {
        "lstm": decompositions.lstm_data_impl,
        "gru": decompositions.gru_impl_data,
        "rnn_tanh": decompositions.rnn_tanh_data,
        "rnn_relu": decompositions.rnn_relu_data,
    }[kind]
    start = list(hx) if kind == "lstm" else hx[0]
    rest = (list(params), has_biases, num_layers, dropout, train, bidirectional)
    out, *last = loop(data, list(sizes), start, *rest)
    return out, last[0], last[1] if kind == "lstm" else last[0].clone()


def leaf(key: str, *args: Any) -> Any:
    """A user's module or function that capture kept whole because it has a lowering rule.

    It runs only inside `leaf_table`, which says what each `key` stands for.
    """
    table = _LEAVES.get({})
    if key not in table:
        raise InternalError(
            f"leaf {key!r} cannot be executed: it is not in the current leaf table",
            hint="run the program inside `with gmn_fx.ir.ops.leaf_table(leaves_of(graph)):`",
        )
    return table[key](*args)


@contextmanager
def leaf_table(table: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Within this block `leaf(key, *args)` calls `table[key](*args)`."""
    token = _LEAVES.set({**_LEAVES.get({}), **table})
    try:
        yield
    finally:
        _LEAVES.reset(token)


def leaves_of(graph: fx.Graph) -> dict[str, Callable[..., Any]]:
    """The leaf table of a captured graph, read from `meta["leaf"]` of its nodes."""
    table: dict[str, Callable[..., Any]] = {}
    for node in graph.nodes:
        if node.op == "call_function" and node.target is leaf:
            info = node.meta["leaf"]
            table[info["key"]] = _leaf_call(info)
    return table


def _leaf_call(info: Mapping[str, Any]) -> Callable[..., Any]:
    """A function of (parameters..., arguments...) for one leaf."""
    if info.get("fn") is not None:
        return info["fn"]  # type: ignore[no-any-return]
    names = sorted(info["params"], key=info["params"].__getitem__)
    module = info["module"]

    def call(*args: Any) -> Any:
        own = dict(zip(names, args, strict=False))
        return torch.func.functional_call(module, own, args[len(names) :])

    return call

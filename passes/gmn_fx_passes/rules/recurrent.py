"""Recurrent layers: one step on neuron ids; the state after it is the state before it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gmn_fx.ir import ops
from gmn_fx.lowering import Act, Builder, Const, Value
from gmn_fx.lowering.axes import compress, core, cut, varying
from gmn_fx.lowering.movement import move

from ..plugin import plugin
from .contraction import linear
from .pointwise import elementwise


@plugin.lowering(ops.recurrent)
def recurrent(
    b: Builder,
    kind: str,
    x: Value,
    h0: Value,
    c0: Value | None,
    w_ih: Value,
    w_hh: Value,
    b_ih: Value | None,
    b_hh: Value | None,
    w_hr: Value | None,
    reverse: bool,
    sizes: list[int] | None = None,
) -> tuple[Value, Value, Value]:
    """Weight sharing over time is an equality between the old state and the new."""
    shape = h0.shape
    size = w_hh.shape[0] // {"lstm": 4, "gru": 3}.get(kind, 1)
    h = b.act(shape, [b.nodes("state", kind, (shape[-1],))])
    c = b.act((*shape[:-1], size), [b.nodes("state", kind, (size,))]) if kind == "lstm" else h
    gates_x, gates_h = _one_step(b, x, w_ih, b_ih, shape[0]), linear(b, h, w_hh, b_hh)
    new_h, new_c = _cell(b, kind, gates_x, gates_h, h, c)
    if w_hr is not None:
        new_h = linear(b, new_h, w_hr)
    new_h, new_c = _settled(b, new_h, kind), _settled(b, new_c, kind)
    for old, new in ((h, new_h), (c, new_c)):
        b.store.unite(core(old.factors[0]), core(new.factors[0]))
    for start, state in ((h0, h), (c0, c)):
        _start(b, start, state, kind)
    out_h, out_c = b.canonical(new_h), b.canonical(new_c)
    out = b.act(b.shapes[0], [core(f)[0] for f in out_h.factors])
    # Which way it runs is all that tells two directions of a layer apart, in its last state too.
    way = (" reversed" if reverse else "") + (_along(x) if isinstance(x, Act) else "")
    out = b.step(out, f"{kind}{way}" if way else "")
    return out, b.step(out_h, f"last state{way}"), b.step(out_c, f"last state{way}")


def _one_step(b: Builder, x: Value, w_ih: Value, b_ih: Value | None, batch: int) -> Value:
    """The input's share of the gates `[B, G]`, the same at every step.

    The layer reads all steps, so that what differs along time becomes one. Neurons along time
    (a layer that runs over channels) are in a fixed order and cannot be exchanged.
    """
    gates = b.canonical(b.as_act(linear(b, x, w_ih, b_ih)))
    units = gates.dim - 1
    for f in gates.factors:
        if varying(f) - {units}:
            b.pin(f)
    main = next((f for f in gates.factors if units in varying(f)), gates.factors[0])
    gates = replace(gates, factors=(main,))
    return move(b, lambda t: cut(t, [units]).reshape(1, -1).expand(batch, -1), gates)  # type: ignore[return-value]


def _along(x: Act) -> str:
    """Which axes of the value that `x` was moved from are time, where there are several of space.

    A layer that runs along rows and one that runs along columns see the same neurons.
    """
    moves = []
    while x.origin is not None and len(x.origin.parents) == 1:
        moves.append(x.origin)
        x = x.origin.parents[0]
    if x.dim < 4:
        return ""
    found = []
    for axis, n in enumerate(x.shape):
        t = torch.arange(n).reshape([-1 if a == axis else 1 for a in range(x.dim)]).expand(x.shape)
        for origin in reversed(moves):
            t = origin.move(t) if origin.pick is None else origin.move(t)[origin.pick]
        line = cut(compress(t), [0]).reshape(-1)
        changed = torch.nonzero(line != line[0])
        if len(changed):
            found.append((-int(changed[0, 0]), axis - x.dim))
    return f" along {','.join(str(axis) for _, axis in sorted(found))}" if found else ""


def _start(b: Builder, start: Value | None, state: Act, kind: str) -> None:
    """What the state begins with. Zeros say nothing."""
    if start is None or (isinstance(start, Const) and start.uniform):
        return
    x = b.canonical(b.as_act(start))
    if not x.on(-1) and not x.scalars:
        x = b.with_pinned(x, [-1])
    for f in x.factors:
        b.connect(core(f), core(state.factors[0]), op=f"{kind} start", hist=core(x.hist))


def _settled(b: Builder, x: Value, kind: str) -> Act:
    """The state with nothing left to be done to it."""
    from gmn_fx.lowering.movement import settle

    x = b.canonical(b.as_act(x))
    if int(x.hist.reshape(-1)[0]) == 0 and not any(s > 0 for s in x.hist.stride()):
        return x
    return settle(b, x, kind, kind="state")


def _cell(
    b: Builder, kind: str, gates_x: Value, gates_h: Value, h: Act, c: Act
) -> tuple[Value, Value]:
    """One time step; the same equations as `gmn_fx.ir.ops.recurrent`."""

    def op(name: str, *args: Value) -> Value:
        return elementwise(b, name, args, {})

    if kind == "gru":
        r_x, z_x, n_x = _chunks(b, gates_x, 3)
        r_h, z_h, n_h = _chunks(b, gates_h, 3)
        z = op("sigmoid", op("add", z_x, z_h))
        n = op("tanh", op("add", n_x, op("mul", op("sigmoid", op("add", r_x, r_h)), n_h)))
        new = op("add", n, op("mul", z, op("sub", h, n)))
        return new, new
    gates = op("add", gates_x, gates_h)
    if kind == "lstm":
        i, f, g, o = _chunks(b, gates, 4)
        new_c = op(
            "add", op("mul", op("sigmoid", f), c), op("mul", op("sigmoid", i), op("tanh", g))
        )
        return op("mul", op("sigmoid", o), op("tanh", new_c)), new_c
    new = op("tanh" if kind == "rnn_tanh" else "relu", gates)
    return new, new


def _chunks(b: Builder, x: Value, n: int) -> tuple[Act, ...]:
    def fn(t: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.chunk(n, -1))

    return tuple(replace(p, origin=p.origin) for p in move(b, fn, x))  # type: ignore[union-attr,type-var,misc]
